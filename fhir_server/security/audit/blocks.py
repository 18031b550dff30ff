"""What is kept of events: their lines in JSON, together, sealed where there are keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from fhir_server.core.errors import error

OWNER = "audit"  # of the key that seals the log


class Keys(Protocol):
    """What seals."""

    def seal(self, owner: str, plain: bytes) -> bytes:
        """The bytes sealed with an owner's key."""
        ...

    def open(self, sealed: bytes) -> bytes | None:
        """What was sealed; None where its key is destroyed."""
        ...


class Blocks:
    """Makes blocks of lines, and lines of blocks. keys: None where nothing is sealed."""

    def __init__(self, keys: Keys | None) -> None:
        self._keys = keys

    def make_ready(self) -> None:
        """Has the key there before threads ask for it."""
        if self._keys is not None:
            self._keys.seal(OWNER, b"")

    def block(self, lines: Iterable[bytes]) -> bytes:
        """What is kept of lines."""
        plain = b"\n".join(lines)
        return self._keys.seal(OWNER, plain) if self._keys is not None else plain

    def plain(self, kept: bytes) -> bytes:
        """What a block was made of: the lines, with line feeds between them.

        FhirError "unavailable" where it is sealed and its key is not there.
        """
        if self._keys is None and kept[:1] != b"[":
            raise error(
                "unavailable", "The audit log is sealed; start with the encryption_keys that it was sealed with."
            )
        plain = self._keys.open(kept) if self._keys is not None else kept
        if plain is None:
            raise error("unavailable", "The key of the audit log was destroyed; it can't be read any more.")
        return plain

    def lines(self, kept: bytes) -> list[bytes]:
        """The lines of a block. FhirError as of `plain`."""
        return self.plain(kept).split(b"\n")
