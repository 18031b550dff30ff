"""Master keys in a file, the newest first: {"keys": [{"id": "…", "key": "32 bytes in base64"}]}.

They wrap data keys and encrypt nothing else. Who has the file and the data folder can read everything, so keep them
apart; who has lost it has lost everything.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import secrets
from contextlib import suppress
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.core.errors import FhirError, error
from fhir_server.core.flushing import whole_file

SIZE = 32  # bytes: AES-256
NONCE = 12
FOLLOWING = "following"  # of a key that is to become the newest once every machine has it


class MasterKeys:
    """The keys of a file as they were when it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ciphers: dict[str, AESGCM] = {}
        self._as_read = (0, 0, 0)  # the state of the file that they were read from
        self.read()

    def read(self) -> None:
        """Reads the file anew; FhirError "value" where it can't be used, or others than its owner may read it."""
        try:
            file = self.path.stat()
            if too_open(file, os.geteuid()):
                raise error("value", f"{self.path} can be read by others than its owner: chmod 600 {self.path}.")
            keys = json.loads(self.path.read_text("ascii"))["keys"]
            found = {each["id"]: AESGCM(_key(each["key"])) for each in keys}
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise error(
                "value", f"The key file {self.path} can't be used: {problem!r}. `hms keys init` makes one."
            ) from None
        if not found:
            raise error("value", f"The key file {self.path} has no key. `hms keys init` makes one.")
        self._ciphers = found
        self._as_read = _state(file)

    def renew(self) -> None:
        """Reads the file anew where it has changed; until that can be used (it is being copied) all stays as it is."""
        with suppress(OSError, FhirError):
            if _state(self.path.stat()) != self._as_read:
                self.read()

    @property
    def newest(self) -> str:
        """The id of the key that wraps from now on."""
        return next(iter(self._ciphers))

    @property
    def count(self) -> int:
        """How many keys there are."""
        return len(self._ciphers)

    def has(self, id: str) -> bool:
        """Whether a key is there."""
        return id in self._ciphers

    def wrap(self, key: bytes, about: bytes) -> tuple[str, bytes]:
        """The id of the newest key, and a data key wrapped by it, good for what it is about only."""
        nonce = os.urandom(NONCE)
        newest, cipher = next(iter(self._ciphers.items()))
        return newest, nonce + cipher.encrypt(nonce, key, about)

    def unwrap(self, master: str, wrapped: bytes, about: bytes) -> bytes:
        """The data key; FhirError "unavailable" where the master key is not in the file, or is another."""
        cipher = self._ciphers.get(master)
        try:
            if cipher is None:
                raise InvalidTag
            return cipher.decrypt(wrapped[:NONCE], wrapped[NONCE:], about)
        except InvalidTag:
            raise error("unavailable", f"The master key {master} is not in {self.path}; data can't be read.") from None


def _state(file: os.stat_result) -> tuple[int, int, int]:
    """What differs between two contents of a file."""
    return file.st_mtime_ns, file.st_size, file.st_ino


def too_open(file: os.stat_result, user: int) -> bool:
    """Whether others than this user can read or write a file; one of root's may be given to the user by its group, as
    Kubernetes does with secrets (fsGroup)."""
    given = file.st_uid == 0 and user != 0
    return bool(file.st_mode & (0o037 if given else 0o077))


def _key(text: str) -> bytes:
    key = base64.b64decode(text, validate=True)
    if len(key) != SIZE:
        raise binascii.Error(f"a key has {SIZE} bytes")
    return key


def add_key(path: Path) -> str:
    """Puts a new key in front of those of a file, which it makes where there is none; the new key's id."""
    keys = _listed(path) if path.exists() else []
    id = secrets.token_hex(8)
    _write(path, [{"id": id, "key": base64.b64encode(os.urandom(SIZE)).decode()}, *keys])
    return id


def add_following(path: Path) -> str:
    """Puts a new key behind those of a file, which goes on sealing nothing until it is put in front; its id."""
    keys = _listed(path)
    id = secrets.token_hex(8)
    _write(path, [*keys, {"id": id, "key": base64.b64encode(os.urandom(SIZE)).decode(), FOLLOWING: "true"}])
    return id


def following(path: Path) -> bool:
    """Whether a key of a file waits to be put in front."""
    return any(FOLLOWING in each for each in _listed(path))


def put_in_front(path: Path) -> str:
    """Makes the key that waits the newest; its id."""
    keys = _listed(path)
    newest = next(each for each in keys if each.pop(FOLLOWING, ""))
    _write(path, [newest, *(each for each in keys if each is not newest)])
    return newest["id"]


def _listed(path: Path) -> list[dict[str, str]]:
    return json.loads(path.read_text("ascii"))["keys"]


def keep_newest(path: Path) -> int:
    """Removes all keys but the newest; how many went."""
    keys = _listed(path)
    _write(path, keys[:1])
    return len(keys) - 1


def _write(path: Path, keys: list[dict[str, str]]) -> None:
    with whole_file(path, 0o600) as file:
        file.write(json.dumps({"keys": keys}, indent=1).encode("ascii"))
