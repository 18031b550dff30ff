"""Writes under way: several at one time, settled in the order in which they began."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from fhir_server.core.tasks import end


class Flight:
    """At most so many writes at one time. done: the position up to which everything is written, 0 at first."""

    def __init__(self, most: int) -> None:
        self.done = 0
        self._most = most
        self._under_way: deque[tuple[int, asyncio.Task[None]]] = deque()

    async def begin(self, write: Callable[[], Coroutine[Any, Any, None]], until: int) -> None:
        """Begins a write that completes everything up to a position; raises what an earlier one raised."""
        while len(self._under_way) >= self._most:
            await self._settle()
        self._under_way.append((until, asyncio.create_task(write())))
        while self._under_way and self._under_way[0][1].done():
            await self._settle()

    async def land(self) -> None:
        """Waits for all of them; raises what one raised."""
        while self._under_way:
            await self._settle()

    async def abandon(self) -> None:
        """Ends those that are still under way; what they raise is not told any more."""
        while self._under_way:
            task = self._under_way.popleft()[1]
            await end(task)
            if not task.cancelled():
                task.exception()

    async def _settle(self) -> None:
        until, task = self._under_way[0]
        await task
        self._under_way.popleft()
        self.done = until
