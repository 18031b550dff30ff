"""Points in time: states of the index that searches of several requests see from their first to their last.

To open one and to close it are requests too, so searches share them: who needs all that was committed up to a position
takes one that was opened when that was shown, unless it is older than what the index shows by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch

KEEP_ALIVE = "1m"  # from one request to the next
MOST_AGE = 1.0  # seconds for which one is given to others


class Point:
    """One of them; shown: the position of the feed up to which it shows everything, or more; users: searches now."""

    def __init__(self, index: str, shown: int, since: float) -> None:
        self.index = index
        self.shown = shown
        self.since = since
        self.id = ""
        self.users = 0

    async def renew(self, client: AsyncElasticsearch, index: str) -> None:
        """Another state takes its place, as it has run out."""
        self.id = (await client.open_point_in_time(index=index, keep_alive=KEEP_ALIVE))["id"]


class Points:
    """Those of one process."""

    def __init__(self, client: AsyncElasticsearch, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic
        self._newest: Point | None = None
        self._opening = asyncio.Lock()

    @asynccontextmanager
    async def at(self, index: str, needed: int) -> AsyncIterator[Point]:
        """A point that shows what was committed up to a position, as the index itself does by now."""
        async with self._opening:
            point = self._newest
            if point is None or not self._serves(point, index, needed):
                point = Point(index, needed, self._monotonic())
                await point.renew(self._client, index)
                before, self._newest = self._newest, point
                if before is not None and not before.users:
                    await self._end(before)
            point.users += 1
        try:
            yield point
        finally:
            point.users -= 1
            if not point.users and point is not self._newest:
                await self._end(point)

    def _serves(self, point: Point, index: str, needed: int) -> bool:
        return point.index == index and point.shown >= needed and self._monotonic() - point.since < MOST_AGE

    async def _end(self, point: Point) -> None:
        try:
            await self._client.close_point_in_time(id=point.id)
        except (ApiError, TransportError):  # it ends by itself
            return

    async def close(self) -> None:
        """Ends the one that is kept."""
        if self._newest is not None:
            point, self._newest = self._newest, None
            await self._end(point)
