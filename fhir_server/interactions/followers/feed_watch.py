"""Waiting for the feed to get on: one look serves all who wait, and only the feed's newest position is looked at."""

from __future__ import annotations

import asyncio

from fhir_server.core.ports import ChangeFeed

LOOK = 0.2  # seconds between looks, as other processes write too


class FeedWatch:
    """Those of this process who wait for a feed to get past a position."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._looking: asyncio.Task[None] | None = None

    async def past(self, position: int, seconds: float) -> bool:
        """Whether the feed has got past the position before the time is over; FhirError where it can't be read."""
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = position
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            done, _ = await asyncio.wait((future,), timeout=seconds)
            if done:
                future.result()
            return bool(done)
        finally:
            del self._waiting[future]
            if not self._waiting:
                self._looking.cancel()
                self._looking = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            try:
                newest = await self._feed.newest()
            except Exception as problem:
                for future in self._waiting:
                    if not future.done():
                        future.set_exception(problem)
                continue
            for future, position in self._waiting.items():
                if newest > position and not future.done():
                    future.set_result(None)
