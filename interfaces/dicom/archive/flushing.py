"""How the disk is made to begin early, and what a file system can and promises."""

from __future__ import annotations

import ctypes
import mmap
import os
import secrets
from pathlib import Path

BLOCK = 4096  # bytes that a write past the page cache begins at and has a multiple of
_SYNC_FILE_RANGE_WRITE = 2
# file systems whose fsync of a file puts the rename before it on the disk too: one journal, in order
_ONE_JOURNAL = frozenset({"ext3", "ext4", "xfs"})

_start = getattr(ctypes.CDLL(None, use_errno=True), "sync_file_range", None)
if _start is not None:
    _start.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def start_writing(descriptor: int, start: int, length: int) -> None:
    """Lets the disk begin with so many bytes and does not wait; promises nothing (sync_file_range(2))."""
    if _start is not None and length:
        _start(descriptor, start, length, _SYNC_FILE_RANGE_WRITE)


def renames_with_files(folder: Path) -> bool:
    """Whether a flush of a file in the folder is one of its rename too, by the type of its file system."""
    device = os.stat(folder).st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        mounts = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    fields = (line.split(" ") for line in mounts)
    types = {line[line.index("-") + 1] for line in fields if "-" in line and line[2] == wanted}
    return bool(types) and types <= _ONE_JOURNAL


def writes_past_the_cache(folder: Path) -> bool:
    """Whether the file system of a folder takes writes with O_DIRECT in blocks of BLOCK bytes, as tried on a file."""
    path = folder / secrets.token_hex(8)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC | os.O_DIRECT, 0o640)
        try:
            return os.write(descriptor, mmap.mmap(-1, BLOCK)) == BLOCK
        finally:
            os.close(descriptor)
    except OSError:
        return False
    finally:
        path.unlink(missing_ok=True)
