"""Where the bytes are: a folder, or any object store that fsspec knows, addressed by the digest of each file."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import structlog

from fhir_server.core.errors import FhirError, Issue, error

Bytes = bytes | bytearray | memoryview
Update = Callable[[Bytes], object]  # of a digest

log = structlog.get_logger("dicom")


class Torn(FhirError):
    """A file is gone, or not as it was kept."""

    def __init__(self, what: str = "A file of the archive") -> None:
        told = f"{what} is gone, or not as it was kept; restore it from a backup."
        super().__init__("unavailable", [Issue("error", "transient", told)])


class Away(FhirError):
    """The place where the files are does not answer, or refuses: of no file is that any proof that it is lost."""

    def __init__(self) -> None:
        told = (
            "The object store of dicom_storage does not answer, or refuses; the server's log says why. Try again later."
        )
        super().__init__("unavailable", [Issue("error", "transient", told)])


def unhashed(data: Bytes) -> None:
    """For a file whose digest nobody asks for."""


class Writing(Protocol):
    """A file that is arriving; nobody else sees it until it is kept."""

    def write(self, *parts: Bytes) -> None:
        """Adds bytes; OSError where they can't be written, ENOSPC where the reserve is touched."""
        ...

    def ended(self) -> int:
        """No more comes, the disk may begin with what is left: how many bytes it has."""
        ...

    def view(self) -> memoryview:
        """All that was written, once it has ended."""
        ...

    def keep(self, digest: str, study: str) -> bool:
        """Makes it the file of a digest; False where that was there. On the disk then, if the fsync policy says so.

        study: the UID of its study, whose key seals it where files are sealed.
        """
        ...

    def discard(self) -> None:
        """Leaves nothing of it."""
        ...


class FileStore(Protocol):
    """Keeps files by digest."""

    def begin(self, head: bytes = b"", sender: str = "", update: Update = unhashed) -> Writing:
        """A new file that begins with these bytes; sender: who sends it.

        update: is given all bytes in their order, the last ones at the latest when it has ended.
        """
        ...

    def sender(self, digest: str) -> str:
        """Who sent a file; "" where the store does not keep it."""
        ...

    def read(self, digest: str, start: int = 0, length: int = -1) -> bytes:
        """Bytes of a file; FileNotFoundError."""
        ...

    def local(self, digest: str) -> Path | None:
        """The path of a file on this machine; None where there is none."""
        ...

    def has(self, digest: str) -> bool:
        """Whether a file is there."""
        ...

    def delete(self, digest: str) -> None:
        """Removes a file, if it is there."""
        ...

    def digests(self, since: float = 0) -> Iterator[str]:
        """Every file that changed since then (seconds since 1970)."""
        ...

    def clear_incoming(self) -> int:
        """Removes what was being written when a process ended; only while nobody else writes. Gives how many."""
        ...


@contextmanager
def _asking() -> Iterator[None]:
    """Away for whatever a store's own libraries fail with, but for what is not there."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as problem:
        log.error("the object store of DICOM files failed", problem=f"{type(problem).__name__}: {problem}")
        raise Away from problem


class ObjectFiles:
    """Files in an object store by its fsspec URL, such as s3://bucket/dicom; the store decides what is durable.

    Away from every call that it does not answer.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._system, self._folder = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as problem:  # its package is not installed, or there is none
            raise error("value", f"dicom_storage can't be used: {problem}.") from None

    def begin(self, head: bytes = b"", sender: str = "", update: Update = unhashed) -> Writing:
        """A new file, in memory until it is kept."""
        return _ObjectWriting(self._system, self._path, head, update)

    def sender(self, digest: str) -> str:
        """Not kept: what is not in the content, not every object store keeps."""
        return ""

    def read(self, digest: str, start: int = 0, length: int = -1) -> bytes:
        """Bytes of a file."""
        end: Any = None if length < 0 else start + length
        with _asking():
            try:
                return self._system.cat_file(self._path(digest), start=start, end=end)
            except OSError as problem:
                if problem.errno == errno.EINVAL and start:  # S3 has an error for what a file calls its end
                    return b""
                raise

    def local(self, digest: str) -> Path | None:
        """None: it is elsewhere."""
        return None

    def has(self, digest: str) -> bool:
        """Whether a file is there."""
        with _asking():
            return self._system.exists(self._path(digest))

    def delete(self, digest: str) -> None:
        """Removes a file."""
        if self.has(digest):
            with _asking():
                self._system.rm_file(self._path(digest))

    def digests(self, since: float = 0) -> Iterator[str]:
        """Every file, whenever it changed: object stores list by name."""
        with _asking():
            found = self._system.find(self._folder)
        for path in found:
            name = str(path).rpartition("/")[2]
            if name.endswith(".dcm"):
                yield name[:-4]

    def clear_incoming(self) -> int:
        """None: what is not whole is in memory."""
        return 0

    def _path(self, digest: str) -> str:
        return f"{self._folder}/{digest[:2]}/{digest}.dcm"


class _ObjectWriting:
    def __init__(self, system: Any, path: Any, head: bytes, update: Update) -> None:
        self._system = system
        self._path = path
        self._bytes = bytearray(head)
        self._update = update
        update(head)

    def write(self, *parts: Bytes) -> None:
        for part in parts:
            self._update(part)
            self._bytes += part

    def ended(self) -> int:
        return len(self._bytes)

    def view(self) -> memoryview:
        return memoryview(self._bytes)

    def keep(self, digest: str, study: str) -> bool:
        path = self._path(digest)
        with _asking():
            if self._system.exists(path):
                return False
            self._system.pipe_file(path, bytes(self._bytes))
        return True

    def discard(self) -> None:
        self._bytes = bytearray()
