"""Whether anything was committed since a moment, told without a system call: by the index of the write-ahead log.

SQLite keeps it in memory that the processes share. Its header, which stands there twice, has a counter of commits, the
log's length and a checksum, and each commit of any process changes it before that commit is done. So as long as these
bytes are the same, nothing that was acknowledged is missing (https://www.sqlite.org/walformat.html#the_wal_index_header).
A commit that is half way may show bytes that are neither of before nor of after: other ones than either.

They are read where SQLite has mapped them into this process. To open the file beside it would take away the locks that
SQLite has on it as soon as it is closed again, as these are a process's (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SIZE = 96  # bytes of the header, twice
MAPS = Path("/proc/self/maps")


def log_state(path: Path) -> Callable[[], bytes] | None:
    """Gives the header of the store at path: other bytes than before after each commit.

    Only where a connection of this process has read from the store, and as long as one is open. None where the system
    does not tell where the memory is.
    """
    address = _address(Path(f"{path}-shm"))
    if address is None:
        return None
    header = (ctypes.c_char * SIZE).from_address(address)
    return lambda: header.raw


def _address(file: Path) -> int | None:
    """Where the begin of a file is mapped into this process."""
    name = os.path.realpath(file)
    with suppress(OSError):
        for line in MAPS.read_text().splitlines():  # of a file that is gone it has another name
            span, _, offset, _, _, *rest = line.split(maxsplit=5)
            if rest == [name] and int(offset, 16) == 0:
                return int(span.partition("-")[0], 16)
    return None
