"""How many connections each of several processes has that take them from one socket: for an even part of them.

All are woken for each connection, and the first to wake would take most of them. So a process that has more than
another leaves a connection to it for a moment, and takes it only where it is still there then.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Protocol


class Counts(Protocol):
    """One number for each process, in memory that all of them share."""

    def __iter__(self) -> Iterator[int]: ...

    def __getitem__(self, place: int, /) -> int: ...

    def __setitem__(self, place: int, number: int, /) -> None: ...


def counts_of_copies(processes: int) -> Counts:
    """Counts of processes that are copies of this one."""
    return memoryview(mmap.mmap(-1, 4 * processes)).cast("I")


class Share:
    """One process's part: its place among the counts, at which one before it may have left some."""

    def __init__(self, counts: Counts, place: int) -> None:
        self._counts = counts
        self._place = place
        self.note(0)

    @property
    def number(self) -> int:
        """What was noted last."""
        return self._counts[self._place]

    def note(self, number: int) -> None:
        """How many connections this process has."""
        self._counts[self._place] = number

    def others_have_fewer(self, number: int) -> bool:
        """Whether another has fewer than so many."""
        return min(self._counts) < number
