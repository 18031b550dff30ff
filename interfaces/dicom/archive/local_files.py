"""Files in a folder, written while they arrive."""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from fhir_server.core.flushing import flush
from interfaces.dicom.archive.files import Bytes, Update, unhashed
from interfaces.dicom.archive.flushing import BLOCK, renames_with_files, start_writing, writes_past_the_cache

BUFFER = 2**20  # bytes of a file that are written together
HASHED = 128 * 1024  # bytes of it that are hashed together
BUFFERS_KEPT = 8  # for files to come: memory that was never used is dear
DIRECT = 64 * 1024  # bytes from which on the page cache is passed by
ORDINARY = 160 * 1024  # bytes of another write: Linux would put more into one large piece of memory never used
NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC
SENDER = "user.sender"  # an extended attribute, so that files of the same content are the same, whoever sent them
RESERVE_EVERY = 16 * 2**20  # bytes after which the free space is looked at again


class LocalFiles:
    """Files in a folder: ab/abcd….dcm. A new file is written beside and moved once it is whole.

    What will be flushed is written past the page cache (O_DIRECT) where the file system can, from buffers that one file
    after another uses: so nothing is copied, looked for and written back. Who reads it soon reads from the disk.

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
        self.direct = fsync and writes_past_the_cache(self.incoming)
        self._buffers: list[mmap.mmap] = []
        if fsync:
            flush(folder)

    def begin(self, head: bytes = b"", sender: str = "", update: Update = unhashed) -> Incoming:
        """A new file; OSError ENOSPC where the reserve is touched already."""
        return Incoming(self, head, sender, update)

    def sender(self, digest: str) -> str:
        """Who sent a file."""
        with suppress(OSError, AttributeError):
            return os.getxattr(self.path(digest), SENDER).decode()
        return ""

    def read(self, digest: str, start: int = 0, length: int = -1) -> bytes:
        """Bytes of a file."""
        with open(self.path(digest), "rb") as file:
            file.seek(start)
            return file.read(length)

    def local(self, digest: str) -> Path | None:
        """Its path."""
        return Path(self.path(digest))

    def has(self, digest: str) -> bool:
        """Whether a file is there."""
        return os.path.exists(self.path(digest))

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

    def buffer(self) -> mmap.mmap:
        """Memory for a file that arrives, aligned as O_DIRECT needs it."""
        try:
            return self._buffers.pop()
        except IndexError:
            return mmap.mmap(-1, BUFFER, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)

    def give_back(self, buffer: mmap.mmap) -> None:
        """Leaves a buffer to the next file."""
        if len(self._buffers) < BUFFERS_KEPT:
            self._buffers.append(buffer)


class Incoming:
    """A file that is arriving, by way of a buffer."""

    def __init__(self, files: LocalFiles, head: bytes, sender: str, update: Update) -> None:
        self._files = files
        self._head = head  # goes ahead of what comes first
        self._update = update
        self._buffer: mmap.mmap | None = None
        self._filled = self._hashed = 0  # bytes of the buffer
        self._before = self._written = self._looked = 0  # bytes of the file: ahead of the buffer's, written, looked at
        if files.reserve:
            self._check_reserve()
        self._path = f"{files.incoming}/{os.urandom(8).hex()}"
        self._descriptor = os.open(self._path, NEW | os.O_DIRECT if files.direct else NEW, 0o640)
        if sender:
            with suppress(OSError, AttributeError):  # a file system or a system without such
                os.setxattr(self._descriptor, SENDER, sender.encode())

    def write(self, *parts: Bytes) -> None:
        """Adds bytes."""
        if self._buffer is None:
            self._buffer, parts = self._files.buffer(), (self._head, *parts)
            self._buffer.seek(0)
        if self._filled + sum(map(len, parts)) <= BUFFER:
            self._filled += sum(map(self._buffer.write, parts))
        else:
            for part in parts:
                self._add(self._buffer, memoryview(part))
        if self._filled - self._hashed >= HASHED:
            self._hash(self._filled // HASHED * HASHED)

    def ended(self) -> int:
        """Writes what is left; the bytes of the file."""
        if self._buffer is None:
            self.write()
        if self._written < self._before + self._filled:
            self._write_out()
        return self._written

    def view(self) -> memoryview:
        """All that was written: the buffer where that has it all, else as it is mapped from the file."""
        if self._buffer is not None and not self._before:
            return memoryview(self._buffer)[: self._filled]
        size = self._before + self._filled
        return memoryview(mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ))

    def keep(self, digest: str, study: str) -> bool:
        """Moves it to its place and flushes it."""
        files, path = self._files, self._files.path(digest)
        try:
            self.ended()
            if os.access(path, os.F_OK):  # another may have moved it there and wait for its flush still
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
        self._close()
        return True

    def discard(self) -> None:
        """Removes it; nothing happens to one that is kept."""
        if self._descriptor >= 0:
            self._close()
            Path(self._path).unlink(missing_ok=True)

    def _close(self) -> None:
        os.close(self._descriptor)
        self._descriptor = -1
        if self._buffer is not None:
            self._files.give_back(self._buffer)
            self._buffer = None

    def _add(self, buffer: mmap.mmap, left: memoryview) -> None:
        while left:
            if self._filled == BUFFER:
                self._write_out()
                self._before, self._filled, self._hashed = self._written, 0, 0
                buffer.seek(0)
            count = min(len(left), BUFFER - self._filled)
            buffer.write(left[:count])
            left = left[count:]
            self._filled += count

    def _hash(self, end: int) -> None:
        """Tells the digest of the buffer up to there: together, as it takes half as long again for small pieces."""
        assert self._buffer is not None
        self._update(memoryview(self._buffer)[self._hashed : end])
        self._hashed = end

    def _write_out(self) -> None:
        """Writes the buffer: whole blocks past the page cache, the rest as usual."""
        assert self._buffer is not None
        self._hash(self._filled)
        if self._files.reserve and self._before + self._filled - self._looked > RESERVE_EVERY:
            self._check_reserve()
        left, descriptor, past = memoryview(self._buffer)[: self._filled], self._descriptor, self._files.direct
        direct = past and self._filled >= DIRECT
        if direct:
            left = left[os.write(descriptor, left[: self._filled // BLOCK * BLOCK]) :]
        if left and past:
            fcntl.fcntl(descriptor, fcntl.F_SETFL, 0)
        while left:  # more than once where the disk is nearly full, or a signal came
            left = left[os.write(descriptor, left[:ORDINARY]) :]
        if self._files.fsync and not direct:
            start_writing(descriptor, self._written, self._filled)
        self._written += self._filled

    def _check_reserve(self) -> None:
        self._looked = self._before + self._filled
        free = os.statvfs(self._files.folder)
        if free.f_bavail * free.f_frsize < self._files.reserve:
            raise OSError(errno.ENOSPC, "No space left above the reserve")
