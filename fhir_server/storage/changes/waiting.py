"""Until searches see what was in the feed when somebody asked.

What was answered to anybody, by whichever worker, has a position at or before the newest one that is committed. So a
search has to look at that once; all that ask while a look is under way share the next one, which begins after they did.
Then the consumer must have got so far, and its target must show what it was given: who needs that has it shown, as
showing after every write would cost more than the writes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from fhir_server.core.one_look import OneLook
from fhir_server.core.ports import ChangeFeed
from fhir_server.core.tasks import end
from fhir_server.storage.changes.calls import Calls
from fhir_server.storage.changes.entries import Busy

POLL, LONGEST_POLL = 0.005, 0.05  # seconds between looks at what another process has reached


class Waiting:
    """Waits, for many at once. show: has a consumer's target show what it was given before, Busy where it can't;
    hurry: is called for a consumer that is waited for, True where its work is done in this process; calls: reach it
    elsewhere.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        show: Callable[[str], Awaitable[None]],
        hurry: Callable[[str], bool] = lambda consumer: False,
        calls: Calls | None = None,
    ) -> None:
        self._feed = feed
        self._show = show
        self.hurry = hurry
        self._calls = calls
        self._reached: dict[str, int] = {}
        self._shown: dict[str, int] = {}
        self._called: dict[str, int] = {}
        self._showing: dict[str, OneLook[None]] = {}
        self._away: set[str] = set()
        self._moved = asyncio.Event()
        self._newest = OneLook(feed.newest)
        self._looking: asyncio.Task[None] | None = None
        self._waiting = 0

    def told(self, consumer: str, position: int) -> None:
        """A consumer in this process has reached a position, or is not held up here (0)."""
        self._away.discard(consumer)
        if position > self._reached.get(consumer, 0):
            self._reached[consumer] = position
            self._moved.set()
            self._moved = asyncio.Event()

    def away(self, consumer: str) -> None:
        """A consumer in this process can't get on: whoever waits for it now need not wait any longer."""
        self._away.add(consumer)
        self._moved.set()
        self._moved = asyncio.Event()

    async def __call__(self, consumer: str, seconds: float) -> int | None:
        """The position of what was the feed's newest change when this was called, once searches see it.

        None where they don't within so long.
        """
        until = time.monotonic() + seconds
        newest = await self._newest()
        if not await self._has_reached(consumer, newest, until):
            return None
        if self._shown.get(consumer, 0) >= newest:
            return newest
        if consumer not in self._showing:
            self._showing[consumer] = OneLook(partial(self._have_shown, consumer))
        try:
            await asyncio.wait_for(self._showing[consumer](), until - time.monotonic())
        except (TimeoutError, Busy):
            return None
        return newest

    async def _have_shown(self, consumer: str) -> None:
        reached = self._reached[consumer]
        await self._show(consumer)
        self._shown[consumer] = reached

    async def _has_reached(self, consumer: str, newest: int, until: float) -> bool:
        if self._reached.get(consumer, 0) >= newest:
            return True
        here = self.hurry(consumer)
        self._waiting += 1
        try:
            while self._reached.get(consumer, 0) < newest:
                moved, left = self._moved, until - time.monotonic()
                if left <= 0 or consumer in self._away:
                    return False
                if self._looking is None or self._looking.done():
                    self._looking = asyncio.create_task(self._look(consumer))
                if not here and newest > self._called.get(consumer, 0):
                    await self._call(consumer, newest)
                try:
                    await asyncio.wait_for(moved.wait(), left)
                except TimeoutError:
                    return False
            return True
        finally:
            self._waiting -= 1

    async def _call(self, consumer: str, newest: int) -> None:
        self._called[consumer] = newest
        if self._calls is not None:
            await self._calls.want(consumer, newest)

    async def _look(self, consumer: str) -> None:
        """Looks at the kept position for all that wait, as the consumer may be another process."""
        pause = POLL
        while self._waiting:
            position = await self._feed.position(consumer)
            if position > self._reached.get(consumer, 0):
                self.told(consumer, position)
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL)

    async def close(self) -> None:
        """Ends the looking."""
        await end(self._looking)
        await self._newest.close()
        for showing in self._showing.values():
            await showing.close()
