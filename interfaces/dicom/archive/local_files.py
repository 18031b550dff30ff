"""Files in a folder, written while they arrive."""

from __future__ import annotations

import errno
import mmap
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from fhir_server.core.flushing import flush
from interfaces.dicom.archive.files import Bytes
from interfaces.dicom.archive.flushing import EARLY_BYTES, renames_with_files, start_writing

TOGETHER_BYTES, TOGETHER_PARTS = 160 * 1024, 512  # that one call writes
RESERVE_EVERY = 16 * 2**20  # bytes after which the free space is looked at again


class LocalFiles:
    """Files in a folder: ab/abcd….dcm. A new file is written beside and moved once it is whole.

    On a file system that keeps a rename with the file's own flush the file is moved before that one flush, so after a
    power failure a file may be torn that nobody was told of: recovery.py compares what the index does not name with its
    digest. Elsewhere file and folder are flushed one after the other.
    """

    def __init__(self, folder: Path, *, fsync: bool = True, reserve: int = 0) -> None:
        self.folder = folder
        self.fsync = fsync
        self.reserve = reserve
        self.incoming = folder / "incoming"
        self._root = str(folder)
        self.incoming.mkdir(parents=True, exist_ok=True)
        for number in range(256):  # made beforehand, so that no file waits for its folder
            (folder / f"{number:02x}").mkdir(exist_ok=True)
        self.together = renames_with_files(folder)
        if fsync:
            flush(folder)

    def begin(self, head: bytes = b"") -> Incoming:
        """A new file; OSError ENOSPC where the reserve is touched already."""
        return Incoming(self, head)

    def read(self, digest: str, start: int = 0, length: int = -1) -> bytes:
        """Bytes of a file."""
        with open(self.path(digest), "rb") as file:
            file.seek(start)
            return file.read(length)

    def local(self, digest: str) -> Path | None:
        """Its path."""
        return Path(self.path(digest))

    def delete(self, digest: str) -> None:
        """Removes a file."""
        Path(self.path(digest)).unlink(missing_ok=True)

    def digests(self, since: float = 0) -> Iterator[str]:
        """Every file changed since then; looks only into folders that changed."""
        for folder in os.scandir(self.folder):
            if len(folder.name) != 2 or folder.stat().st_mtime < since:
                continue
            for file in os.scandir(folder.path):
                if file.name.endswith(".dcm") and file.stat().st_mtime >= since:
                    yield file.name[:-4]

    def clear_incoming(self) -> int:
        """Removes what was being written when a process ended; only while nobody else writes. Gives how many."""
        left = list(self.incoming.iterdir())
        for path in left:
            path.unlink(missing_ok=True)
        return len(left)

    def free(self) -> int:
        """Bytes that are free."""
        return shutil.disk_usage(self.folder).free

    def path(self, digest: str) -> str:
        """Where the file of a digest is."""
        return f"{self._root}/{digest[:2]}/{digest}.dcm"


class Incoming:
    """A file that is arriving; the disk writes while more of it comes."""

    def __init__(self, files: LocalFiles, head: bytes) -> None:
        self._files = files
        self._head = head  # written with what comes first
        self._size = self._started = self._looked = 0
        self._check_reserve()
        self._path = f"{files.incoming}/{secrets.token_hex(8)}"
        self._descriptor = os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o640)

    def write(self, *parts: Bytes) -> None:
        """Adds bytes."""
        if self._files.reserve and self._size - self._looked > RESERVE_EVERY:
            self._check_reserve()
        if self._head:
            parts, self._head = (self._head, *parts), b""
        for together in pieces(parts):
            length = sum(map(len, together))
            written = os.writev(self._descriptor, together)
            if written < length:  # the disk is nearly full, or a signal came
                left = memoryview(b"".join(together))
                while written < length:
                    written += os.write(self._descriptor, left[written:])
            self._size += length
        if self._files.fsync and self._size - self._started >= EARLY_BYTES:
            self._write_early()

    def ended(self) -> None:
        """Lets the disk begin with what is left."""
        if self._head:
            self.write()
        if self._files.fsync:
            self._write_early()

    def view(self) -> memoryview:
        """All that was written, as it is mapped from the file."""
        return memoryview(mmap.mmap(self._descriptor, self._size, access=mmap.ACCESS_READ))

    def keep(self, digest: str, study: str) -> bool:
        """Moves it to its place and flushes it."""
        files, path = self._files, self._files.path(digest)
        try:
            if os.path.exists(path):  # another may have moved it there and wait for its flush still
                if files.fsync:
                    flush(Path(path))
                self.discard()
                return False
            if files.fsync and not files.together:
                os.fdatasync(self._descriptor)
            os.rename(self._path, path)
            if files.fsync and files.together:
                os.fsync(self._descriptor)
            elif files.fsync:
                flush(Path(path).parent)
        except BaseException:
            self.discard()
            raise
        os.close(self._descriptor)
        self._descriptor = -1
        return True

    def discard(self) -> None:
        """Removes it; nothing happens to one that is kept."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            Path(self._path).unlink(missing_ok=True)

    def _write_early(self) -> None:
        start_writing(self._descriptor, self._started, self._size - self._started)
        self._started = self._size

    def _check_reserve(self) -> None:
        self._looked = self._size
        if self._files.reserve:
            free = os.statvfs(self._files.folder)
            if free.f_bavail * free.f_frsize < self._files.reserve:
                raise OSError(errno.ENOSPC, "No space left above the reserve")


def pieces(parts: Sequence[Bytes]) -> Iterator[list[Bytes]]:
    """Parts in groups, small ones together: Linux puts what one call writes into one piece of memory where it can,
    and large pieces that have not been used yet are dear on a virtual machine."""
    group: list[Bytes] = []
    size = 0
    for part in parts:
        if group and (size + len(part) > TOGETHER_BYTES or len(group) == TOGETHER_PARTS):
            yield group
            group, size = [], 0
        group.append(part)
        size += len(part)
    if group:
        yield group
