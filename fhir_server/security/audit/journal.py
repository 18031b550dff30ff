"""Where events are durable first: each process appends blocks to a file of its own, without a lock and with one write.

    file  = block* · zeros        made of zeros beforehand, so that a flush has nothing to tell of the file itself
    block = length (4 bytes) · CRC-32 over its place and its bytes (4) · bytes

Where the file system can, pages go to the disk directly (direct.py): what others write does not hold up a flush then.

The log takes journals in (taking.py). A process holds a lock on its journal as long as it writes to it: one that nobody
holds is finished.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from fhir_server.core.flushing import flush
from fhir_server.security.audit.direct import Direct, whole_pages

SIZE = 2 * 2**20  # bytes of a journal, unless a block is longer
HEAD = struct.Struct("<II")
SUFFIX = ".journal"


class Journal:
    """One to write to. OSError where it can't be."""

    def __init__(self, folder: Path, room: int, *, durable: bool = True) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path = folder / f"{secrets.token_hex(8)}{SUFFIX}"
        self.position = 0
        self._size = whole_pages(max(SIZE, room + HEAD.size))
        fresh = self.path.with_suffix(".new")
        synchronous = os.O_DSYNC if durable else 0
        self._file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | synchronous, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            if os.geteuid() == 0:  # as SQLite does: what a command by root makes is for whom the data belongs to
                owner = folder.parent.stat()
                os.chown(folder, owner.st_uid, owner.st_gid)
                os.fchown(self._file, owner.st_uid, owner.st_gid)
            _write(self._file, bytes(self._size), 0)
            self._direct = Direct.of(self._file) if durable else None
            fresh.rename(self.path)  # only now others see it: locked
            if durable:
                flush(folder)
        except BaseException:
            os.close(self._file)
            fresh.unlink(missing_ok=True)
            raise

    @property
    def left(self) -> int:
        """Bytes that a block may have."""
        return self._size - self.position - HEAD.size

    def append(self, block: bytes) -> None:
        """Writes a block, durable when it returns."""
        place = self.position
        data = HEAD.pack(len(block), _check(place, block)) + block
        if self._direct is not None:
            self._direct.append(data, place)
        else:
            _write(self._file, data, place)
        self.position = place + len(data)

    def close(self) -> None:
        """Writes no more to it."""
        os.close(self._file)


class Found(NamedTuple):
    """blocks: those behind the place that was asked for; end: the place behind them; whole: not changed by others."""

    blocks: list[bytes]
    end: int
    whole: bool


class Journals:
    """All journals of a folder, for whoever takes them in."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> list[str]:
        """Those that there are."""
        try:
            return sorted(each for each in os.listdir(self._folder) if each.endswith(SUFFIX))
        except FileNotFoundError:
            return []

    def pending(self, name: str, at: int) -> bool:
        """Whether a block begins there; whether it is a good one is told by read."""
        try:
            with open(self._folder / name, "rb") as file:
                file.seek(at)
                return any(file.read(HEAD.size))
        except FileNotFoundError:
            return False

    def read(self, name: str, at: int) -> Found:
        """The blocks of a journal from a place on; none of one that is gone, which another process had taken in."""
        try:
            with open(self._folder / name, "rb") as file:
                file.seek(at)
                rest = file.read()
        except FileNotFoundError:
            return Found([], at, True)
        blocks, end = [], 0
        for block in _blocks(rest, at):
            blocks.append(block)
            end += HEAD.size + len(block)
        return Found(blocks, at + end, not _lies_behind(rest, end))

    def remove_finished(self, name: str, at: int) -> None:
        """Removes a journal that nobody writes to any more, unless a block behind a place came in since it was read."""
        with contextlib.suppress(FileNotFoundError), open(self._folder / name, "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
            if not self.read(name, at).blocks:
                (self._folder / name).unlink(missing_ok=True)


def _blocks(data: bytes, place: int) -> Iterator[bytes]:
    at = 0
    while at + HEAD.size <= len(data):
        length, check = HEAD.unpack_from(data, at)
        block = data[at + HEAD.size : at + HEAD.size + length]
        if not length or len(block) < length or check != _check(place + at, block):
            return
        yield block
        at += HEAD.size + length


def _lies_behind(data: bytes, end: int) -> bool:
    """Whether something was written behind a block that is no good: a crash leaves one such at the very end."""
    if end + HEAD.size > len(data):
        return False
    length, _ = HEAD.unpack_from(data, end)
    return any(data[end + HEAD.size + length :]) if length else any(data[end : end + 4096])


def _check(place: int, block: bytes) -> int:
    return zlib.crc32(block, place & 0xFFFFFFFF)


def _write(file: int, data: bytes, place: int) -> None:
    written = os.pwrite(file, data, place)
    while written < len(data):
        written += os.pwrite(file, data[written:], place + written)
