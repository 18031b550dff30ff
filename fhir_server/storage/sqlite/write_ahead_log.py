"""The write-ahead log of the embedded store: how long it is, and its copying into the file.

Whoever commits does not copy (wal_autocheckpoint = 0), the writer does so now and then: the same pages come again and
again in a log and each is copied once, so a long one costs less. Where all of it is copied it begins anew, at the begin
of its file, which stays as long as it was: to write over what a file has costs two thirds of the processor time of
making it longer, and its flush half of the time.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import struct
from bisect import bisect_left
from pathlib import Path

SHORTEST, LONGEST = 64 * 2**20, 256 * 2**20  # bytes from which it is copied: as many as the store has, but within these

_HEAD = struct.Struct(">8xI4x8s8x")  # of the log: size of a page, salt (https://www.sqlite.org/walformat.html)
_FRAME = struct.Struct(">8x8s8x")  # before each page: salt; another where it is of before the log began anew


def is_long(path: Path) -> bool:
    """Whether the log of the store at path is to be copied."""
    limit = min(max(SHORTEST, _size(path)), LONGEST)
    log = log_of(path)
    return _size(log) > limit and used(log) > limit


def log_of(path: Path) -> Path:
    """The log's file."""
    return Path(f"{path}-wal")


def used(log: Path) -> int:
    """Bytes of a log's file up to the end of what was written since it began anew; 0 where there is none."""
    try:
        with open(log, "rb") as file:
            number = file.fileno()
            page, salt = _HEAD.unpack(file.read(_HEAD.size))
            length = _FRAME.size + page
            pages = range(_HEAD.size, os.fstat(number).st_size - length + 1, length)

            def older(at: int) -> bool:
                return _FRAME.unpack(os.pread(number, _FRAME.size, at))[0] != salt

            return _HEAD.size + bisect_left(pages, True, key=older) * length
    except (OSError, struct.error):  # another process cuts it at this moment
        return 0


def copy(connection: sqlite3.Connection) -> None:
    """Copies the log into the file as far as readers and the room on the disk allow; what is left stays in the log."""
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def copy_beside(path: Path) -> None:
    """Does that on a connection of its own, while others write."""
    with (
        contextlib.suppress(sqlite3.OperationalError),  # another worker does it at this moment
        contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection,
    ):
        connection.execute("PRAGMA synchronous = FULL")
        copy(connection)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
