"""Acceptor processes on one port: who has fewer associations takes the next one."""

from __future__ import annotations

from collections.abc import MutableSequence

LET_GO_SECONDS = 0.02  # for those with fewer to wake up, beside other work too


class Sharing:
    """How many associations each process has, in memory that they share; own: this one's place."""

    def __init__(self, counts: MutableSequence[int], own: int) -> None:
        self._counts = counts
        self._own = own

    def has(self, count: int) -> None:
        """Tells the others."""
        self._counts[self._own] = count

    @property
    def patience(self) -> float:
        """Seconds to wait before a connection is taken: none for one of those with the fewest."""
        return LET_GO_SECONDS if self._counts[self._own] > min(self._counts) else 0.0
