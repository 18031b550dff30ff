"""Until a consumer has got as far as the feed was when somebody asked.

What was answered to anybody, by whichever worker, has a position at or before the newest one that is committed. So a
search has to look at that once; all that ask while a look is under way share the next one, which begins after they did.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fhir_server.core.ports import ChangeFeed
from fhir_server.core.tasks import end
from fhir_server.storage.changes.shared import Shared

POLL, LONGEST_POLL = 0.005, 0.05  # seconds between looks at what another process has reached


class Waiting:
    """Waits, for many at once; hurry: is called for a consumer that is waited for."""

    def __init__(self, feed: ChangeFeed, hurry: Callable[[str], None] = lambda consumer: None) -> None:
        self._feed = feed
        self.hurry = hurry
        self._reached: dict[str, int] = {}
        self._away: set[str] = set()
        self._moved = asyncio.Event()
        self._newest = Shared(feed.newest)
        self._looking: asyncio.Task[None] | None = None
        self._waiting = 0

    def told(self, consumer: str, position: int) -> None:
        """A consumer in this process has reached a position."""
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

    async def __call__(self, consumer: str, seconds: float) -> bool:
        """Whether the consumer reaches within so long what was the feed's newest change when this was called."""
        newest = await self._newest()
        if self._reached.get(consumer, 0) >= newest:
            return True
        until = time.monotonic() + seconds
        self.hurry(consumer)
        self._waiting += 1
        try:
            while self._reached.get(consumer, 0) < newest:
                moved, left = self._moved, until - time.monotonic()
                if left <= 0 or consumer in self._away:
                    return False
                if self._looking is None or self._looking.done():
                    self._looking = asyncio.create_task(self._look(consumer))
                try:
                    await asyncio.wait_for(moved.wait(), left)
                except TimeoutError:
                    return False
            return True
        finally:
            self._waiting -= 1

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
