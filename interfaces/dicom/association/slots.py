"""Slots for associations that processes share: a byte range lock each, so that a killed process frees its own."""

from __future__ import annotations

import fcntl
import os
import struct
import threading
from pathlib import Path


class Slots:
    """At most limit at a time over all processes that open the same file.

    Locks of open file descriptions (F_OFD_SETLK) are held by this object's file, so that two objects in one process
    exclude each other too.
    """

    def __init__(self, path: Path, limit: int) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
        self._limit = limit
        self._held: set[int] = set()
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """A free slot's number; None where all are taken."""
        with self._lock:
            for slot in range(self._limit):
                if slot not in self._held and self._try(fcntl.F_WRLCK, slot):
                    self._held.add(slot)
                    return slot
        return None

    def free(self, slot: int) -> None:
        """Gives a slot back."""
        with self._lock:
            if slot in self._held:
                self._held.remove(slot)
                self._try(fcntl.F_UNLCK, slot)

    @property
    def held(self) -> int:
        """How many this object holds."""
        return len(self._held)

    def close(self) -> None:
        """Gives all back."""
        os.close(self._descriptor)

    def _try(self, kind: int, slot: int) -> bool:
        request = struct.pack("hhqqi4x", kind, os.SEEK_SET, slot, 1, 0)
        try:
            fcntl.fcntl(self._descriptor, fcntl.F_OFD_SETLK, request)
        except OSError:
            return False
        return True
