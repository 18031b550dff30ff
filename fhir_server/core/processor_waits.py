"""How long a thread could have run and had no processor, as others had them.

https://docs.kernel.org/scheduler/sched-stats.html
"""

from __future__ import annotations

import os

FILE = "/proc/thread-self/schedstat"  # nanoseconds on a processor, nanoseconds ready without one, times on one
LONGEST = 100  # bytes of it


class ProcessorWaits:
    """Of the thread that makes it."""

    def __init__(self) -> None:
        try:
            self._file = os.open(FILE, os.O_RDONLY)
        except OSError:  # not on Linux
            self._file = -1

    def seconds(self) -> float:
        """All of them since the thread began; 0.0 where the system does not tell."""
        if self._file < 0:
            return 0.0
        try:
            return int(os.pread(self._file, LONGEST, 0).split()[1]) / 1e9
        except (OSError, IndexError):  # the thread has ended; the system does not count them
            return 0.0

    def close(self) -> None:
        """Asks no more."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
