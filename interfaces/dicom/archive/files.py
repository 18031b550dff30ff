"""Where the bytes are: a folder, or any object store that fsspec knows, addressed by the SHA-256 of each file."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol


class FileStore(Protocol):
    """Keeps files by digest; what put returned from is on the disk, if the fsync policy says so."""

    def put(self, digest: str, parts: Sequence[bytes | memoryview]) -> bool:
        """Keeps a file; False where it was there. OSError where it can't be."""
        ...

    def read(self, digest: str, start: int = 0, length: int = -1) -> bytes:
        """Bytes of a file; FileNotFoundError."""
        ...

    def local(self, digest: str) -> Path | None:
        """The path of a file on this machine; None where there is none."""
        ...

    def delete(self, digest: str) -> None:
        """Removes a file, if it is there."""
        ...

    def digests(self, since: float = 0) -> Iterator[str]:
        """Every file that changed since then (seconds since 1970)."""
        ...


class LocalFiles:
    """Files in a folder: ab/abcd….dcm. A new file is written beside and moved, so that none is ever half there."""

    def __init__(self, folder: Path, *, fsync: bool = True, reserve: int = 0) -> None:
        self._folder = folder
        self._fsync = fsync
        self._reserve = reserve
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)
        for number in range(256):  # made beforehand: a file then costs one flush of its bytes and one of its folder
            (folder / f"{number:02x}").mkdir(exist_ok=True)
        if fsync:
            _sync_folder(folder)

    def put(self, digest: str, parts: Sequence[bytes | memoryview]) -> bool:
        """Keeps a file; OSError ENOSPC where the reserve would be touched."""
        path = self._path(digest)
        if path.exists():
            return False
        if self._reserve:
            free = os.statvfs(self._folder)
            if free.f_bavail * free.f_frsize < self._reserve + sum(len(part) for part in parts):
                raise OSError(28, "No space left above the reserve")
        name = self._incoming / secrets.token_hex(8)
        descriptor = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
        try:
            _write(descriptor, parts)
            if self._fsync:
                os.fdatasync(descriptor)
            os.rename(name, path)
        except BaseException:
            name.unlink(missing_ok=True)
            raise
        finally:
            os.close(descriptor)
        if self._fsync:
            _sync_folder(path.parent)
        return True

    def read(self, digest: str, start: int = 0, length: int = -1) -> bytes:
        """Bytes of a file."""
        with self._path(digest).open("rb") as file:
            file.seek(start)
            return file.read(length)

    def local(self, digest: str) -> Path | None:
        """Its path."""
        return self._path(digest)

    def delete(self, digest: str) -> None:
        """Removes a file."""
        self._path(digest).unlink(missing_ok=True)

    def digests(self, since: float = 0) -> Iterator[str]:
        """Every file changed since then; looks only into folders that changed."""
        for folder in os.scandir(self._folder):
            if len(folder.name) != 2 or folder.stat().st_mtime < since:
                continue
            for file in os.scandir(folder.path):
                if file.name.endswith(".dcm") and file.stat().st_mtime >= since:
                    yield file.name[:-4]

    def clear_incoming(self) -> int:
        """Removes what was being written when a process ended; only while nobody else writes. Gives how many."""
        left = list(self._incoming.iterdir())
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def free(self) -> int:
        """Bytes that are free."""
        return shutil.disk_usage(self._folder).free

    def _path(self, digest: str) -> Path:
        return self._folder / digest[:2] / f"{digest}.dcm"


def _write(descriptor: int, parts: Sequence[bytes | memoryview]) -> None:
    total = sum(len(part) for part in parts)
    written = os.writev(descriptor, parts)
    if written < total:  # one call writes at most 2 GiB
        rest = memoryview(b"".join(parts))[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class ObjectFiles:
    """Files in an object store by its fsspec URL, such as s3://bucket/dicom; the store decides what is durable."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._system, self._folder = fsspec.core.url_to_fs(url)

    def put(self, digest: str, parts: Sequence[bytes | memoryview]) -> bool:
        """Keeps a file."""
        path = self._path(digest)
        if self._system.exists(path):
            return False
        self._system.pipe_file(path, b"".join(parts))
        return True

    def read(self, digest: str, start: int = 0, length: int = -1) -> bytes:
        """Bytes of a file."""
        end: Any = None if length < 0 else start + length
        return self._system.cat_file(self._path(digest), start=start, end=end)

    def local(self, digest: str) -> Path | None:
        """None: it is elsewhere."""
        return None

    def delete(self, digest: str) -> None:
        """Removes a file."""
        if self._system.exists(self._path(digest)):
            self._system.rm_file(self._path(digest))

    def digests(self, since: float = 0) -> Iterator[str]:
        """Every file, whenever it changed: object stores list by name."""
        for path in self._system.find(self._folder):
            name = str(path).rpartition("/")[2]
            if name.endswith(".dcm"):
                yield name[:-4]

    def _path(self, digest: str) -> str:
        return f"{self._folder}/{digest[:2]}/{digest}.dcm"
