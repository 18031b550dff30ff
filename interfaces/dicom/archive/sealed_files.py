"""Files sealed at rest, in blocks, so that a part is read without the whole; around any `FileStore`.

    file  = MAGIC (8 bytes) · length (2) · sealed (file's key (32) · size (8)) · zeros up to HEAD · block*
    block = AES-256-GCM of BLOCK bytes, of the last one of what is left, with its tag (16); nonce: the block's number

Each file has a key of its own, sealed with the data key of its study. So rotating the master keys leaves files as they
are, and destroying the study's key makes every copy of them unreadable. The digest is of the clear bytes. Files without
MAGIC were kept before there were keys, and are read as they are.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from fhir_server.core.errors import error
from interfaces.dicom.archive.files import Bytes, FileStore, Torn, Update, Writing, unhashed

MAGIC = b"\x01HMSDCM\x01"
HEAD = 256
BLOCK = 64 * 1024
TAG = 16
KEY = 32
MOST_KEPT = 4096  # heads of files that were opened last


class Keys(Protocol):
    """What seals."""

    def seal(self, owner: str, plain: bytes) -> bytes:
        """The bytes sealed with an owner's key."""
        ...

    def open(self, sealed: bytes) -> bytes | None:
        """What was sealed; None where the key is destroyed."""
        ...

    def destroy(self, owner: str) -> bool:
        """Destroys an owner's key; whether there was one."""
        ...

    def close(self) -> None:
        """Closes their file."""
        ...


class Head(NamedTuple):
    """What opens a file, and how many clear bytes it has."""

    cipher: AESGCM
    size: int


class SealedFiles:
    """Seals what another store keeps; a file that arrives is in memory until it is whole."""

    def __init__(self, inner: FileStore, keys: Keys) -> None:
        self._inner = inner
        self._keys = keys
        self._turn = threading.Lock()  # the keys' connection is one for all threads
        self._heads: dict[str, Head | None] = {}

    def begin(self, head: bytes = b"", sender: str = "", update: Update = unhashed) -> Writing:
        """A new file."""
        return _SealedWriting(self, self._inner.begin(sender=sender), head, update)

    def sender(self, digest: str) -> str:
        """Who sent a file."""
        return self._inner.sender(digest)

    def read(self, digest: str, start: int = 0, length: int = -1) -> bytes:
        """Clear bytes of a file; Torn where they are not as they were sealed."""
        if length < 0:
            whole = memoryview(self._inner.read(digest))
            head = self._opened(bytes(whole[:HEAD]))
            if head is None:
                return bytes(whole[start:])
            return b"".join(_clear(head, whole[HEAD:], 0, _blocks(head.size)))[start:]
        head = self._head(digest)
        if head is None:
            return self._inner.read(digest, start, length)
        end = min(start + length, head.size)
        if start >= end:
            return b""
        first, last = start // BLOCK, _blocks(end)
        sealed = self._inner.read(digest, HEAD + first * (BLOCK + TAG), (last - first) * (BLOCK + TAG))
        at = first * BLOCK
        return b"".join(_clear(head, memoryview(sealed), first, last))[start - at : end - at]

    def local(self, digest: str) -> Path | None:
        """None: no file can be read as it is."""
        return None

    def has(self, digest: str) -> bool:
        """Whether a file is there."""
        return self._inner.has(digest)

    def delete(self, digest: str) -> None:
        """Removes a file."""
        self._heads.pop(digest, None)
        self._inner.delete(digest)

    def digests(self, since: float = 0) -> Iterator[str]:
        """Every file changed since then."""
        return self._inner.digests(since)

    def clear_incoming(self) -> int:
        """Removes what was being written when a process ended."""
        return self._inner.clear_incoming()

    def sealed_key(self, study: str, key: bytes, size: int) -> bytes:
        """The head of a file of a study."""
        with self._turn:
            sealed = self._keys.seal(_owner(study), key + size.to_bytes(8))
        return (MAGIC + len(sealed).to_bytes(2) + sealed).ljust(HEAD, b"\0")

    def destroy(self, study: str) -> bool:
        """Makes every copy of a study's files unreadable; whether there was a key."""
        with self._turn:
            return self._keys.destroy(_owner(study))

    def close(self) -> None:
        """Closes the keys."""
        self._keys.close()

    def _head(self, digest: str) -> Head | None:
        if digest not in self._heads:
            if len(self._heads) > MOST_KEPT:
                self._heads.clear()
            self._heads[digest] = self._opened(self._inner.read(digest, 0, HEAD))
        return self._heads[digest]

    def _opened(self, head: bytes) -> Head | None:
        """None for a file that is not sealed."""
        if not head.startswith(MAGIC):
            return None
        length = int.from_bytes(head[len(MAGIC) : len(MAGIC) + 2])
        with self._turn:
            plain = self._keys.open(head[len(MAGIC) + 2 :][:length])
        if plain is None:
            raise error("unavailable", "The key of this study was destroyed; its files can't be read any more.")
        return Head(AESGCM(plain[:KEY]), int.from_bytes(plain[KEY:]))


class _SealedWriting:
    def __init__(self, files: SealedFiles, inner: Writing, head: bytes, update: Update) -> None:
        self._files = files
        self._inner = inner
        self._clear = bytearray(head)
        self._update = update
        update(head)

    def write(self, *parts: Bytes) -> None:
        for part in parts:
            self._update(part)
            self._clear += part

    def ended(self) -> int:
        return len(self._clear)

    def view(self) -> memoryview:
        return memoryview(self._clear)

    def keep(self, digest: str, study: str) -> bool:
        try:
            key = AESGCM.generate_key(KEY * 8)
            cipher, clear = AESGCM(key), memoryview(self._clear)
            self._inner.write(self._files.sealed_key(study, key, len(clear)))
            for number in range(_blocks(len(clear))):
                block = clear[number * BLOCK : (number + 1) * BLOCK]
                self._inner.write(cipher.encrypt(_nonce(number), block, None))
        except BaseException:
            self.discard()
            raise
        return self._inner.keep(digest, study)

    def discard(self) -> None:
        self._inner.discard()


def _owner(study: str) -> str:
    return f"dicom/{study}"


def _nonce(number: int) -> bytes:
    return number.to_bytes(12)


def _blocks(size: int) -> int:
    """How many blocks so many bytes take."""
    return -(-size // BLOCK)


def _clear(head: Head, sealed: memoryview, first: int, last: int) -> Iterator[bytes]:
    """The clear blocks from one number up to another, of what is stored from the first on; Torn."""
    for number in range(first, last):
        at = (number - first) * (BLOCK + TAG)
        size = min(BLOCK, head.size - number * BLOCK) + TAG
        try:
            yield head.cipher.decrypt(_nonce(number), sealed[at : at + size], None)
        except InvalidTag:
            raise Torn from None
