"""When one more piece of work may begin: little that waits is better done together, but not for long."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable


class Batching:
    """at_once: how many are under way at one time; briefly: seconds after one began until another does beside it.

    filled: whether enough waits, so that it need not wait for more; go_on: is called once only time was missing.
    """

    def __init__(self, at_once: int, briefly: float, filled: Callable[[], bool], go_on: Callable[[], None]) -> None:
        self._at_once = at_once
        self._briefly = briefly
        self._filled = filled
        self._go_on = go_on
        self._begun = 0.0  # when the newest did
        self._later: asyncio.TimerHandle | None = None

    def may_begin(self, under_way: int) -> bool:
        """Whether one more may begin beside so many."""
        if under_way >= self._at_once:
            return False
        left = self._begun + self._briefly - time.monotonic() if under_way and not self._filled() else 0.0
        if left > 0 and self._later is None:
            self._later = asyncio.get_running_loop().call_later(left, self._look_again)
        return left <= 0

    def begins(self) -> None:
        """One begins."""
        self._begun = time.monotonic()

    def _look_again(self) -> None:
        self._later = None
        self._go_on()

    def close(self) -> None:
        """Nothing is called any more."""
        if self._later is not None:
            self._later.cancel()
