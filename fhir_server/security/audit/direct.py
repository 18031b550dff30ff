"""Appends past the page cache (O_DIRECT): a flush waits for the disk to have these pages, and for nothing else.

Through the page cache it also waits for what the file system's own log has of others, and takes more processor time.
Such writes are of whole pages: the last one is written again with what it had and what came, as by the page cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os

PAGE = 4096
ROOM = 2**16 + 2 * PAGE  # bytes of what is written at once, mostly


def whole_pages(size: int) -> int:
    """So many bytes that they fill pages, and as many at least."""
    return -(-size // PAGE) * PAGE


class Direct:
    """Of a file that has all its bytes already and was opened with O_DSYNC."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._pages = memoryview(mmap.mmap(-1, ROOM))  # begins with the page of the file's next byte; zeros behind that

    @classmethod
    def of(cls, file: int) -> Direct | None:
        """For an empty one; None where its file system, or this system, has no such writes."""
        direct = getattr(os, "O_DIRECT", 0)
        flags = fcntl.fcntl(file, fcntl.F_GETFL)
        try:
            if direct:
                fcntl.fcntl(file, fcntl.F_SETFL, flags | direct)
                found = cls(file)
                found.append(b"", 0)
                return found
        except OSError:
            with contextlib.suppress(OSError):
                fcntl.fcntl(file, fcntl.F_SETFL, flags)
        return None

    def append(self, data: bytes, place: int) -> None:
        """Writes data behind what was written before, at this place of the file; durable when it returns. OSError."""
        before = place % PAGE
        end = before + len(data)
        size = whole_pages(end) or PAGE
        if size > len(self._pages):
            larger = memoryview(mmap.mmap(-1, size))
            larger[:before] = self._pages[:before]
            self._pages = larger
        self._pages[before:end] = data
        written = os.pwrite(self._file, self._pages[:size], place - before)
        if written < size:
            self._go_on(written, size, place - before)
        if end >= PAGE:
            rest = end % PAGE
            self._pages[:size] = bytes(self._pages[end - rest : end]) + bytes(size - rest)

    def _go_on(self, written: int, size: int, place: int) -> None:
        """Writes what the system left of some pages, whole pages again."""
        while (written := written // PAGE * PAGE) < size:
            more = os.pwrite(self._file, self._pages[written:size], place + written)
            if more < PAGE:
                raise OSError("the disk took no page")
            written += more
