"""What was made lately and will be asked for again, within so many bytes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable


class Recent:
    """Bytes by key; those not asked for the longest give way. Any thread may ask."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._kept: dict[Hashable, bytes] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The bytes of a key, made where they are not kept."""
        with self._lock:
            found = self._kept.pop(key, None)
            if found is not None:
                self._kept[key] = found  # the newest is last
                return found
        made = make()
        with self._lock:
            if key not in self._kept and len(made) <= self._most:
                self._kept[key] = made
                self._size += len(made)
            while self._size > self._most:
                self._size -= len(self._kept.pop(next(iter(self._kept))))
        return made
