"""Small documents, sealed by the newest key of a file of master keys: whoever has the database alone reads none.

sealed = id of the key · ":" · nonce (12 bytes) · AES-256-GCM of the bytes, with its tag
"""

from __future__ import annotations

from pathlib import Path

from fhir_server.core.errors import FhirError
from fhir_server.security.encryption.master_keys import MasterKeys


class Sealing:
    """Over a file of master keys, which is read anew where it has changed."""

    def __init__(self, path: Path) -> None:
        self._masters = MasterKeys(path)

    @property
    def newest(self) -> str:
        """The id of the key that seals from now on."""
        return self._masters.newest

    @property
    def alone(self) -> bool:
        """Whether the file has no other key."""
        return self._masters.count == 1

    def knows(self, sealed: bytes) -> bool:
        """Whether the file has the key that sealed this."""
        return self._masters.has(sealed.partition(b":")[0].decode("ascii", "replace"))

    def seal(self, plain: bytes, about: str) -> bytes:
        """The bytes sealed; good for what they are about only."""
        self._masters.renew()  # who only seals would not meet what another machine has sealed by a newer key
        newest, wrapped = self._masters.wrap(plain, about.encode())
        return newest.encode() + b":" + wrapped

    def open(self, sealed: bytes, about: str) -> bytes:
        """What was sealed; FhirError "unavailable" where its key is not in the file, or it was changed."""
        master, _, wrapped = sealed.partition(b":")
        name = master.decode("ascii", "replace")
        try:
            return self._masters.unwrap(name, wrapped, about.encode())
        except FhirError:
            self._masters.read()
            return self._masters.unwrap(name, wrapped, about.encode())
