"""How far an index is behind what this process stores, and how long works wait for it.

Where resources are stored faster than they are indexed the index would fall further and further behind, and searches
with it. So once what was stored more than `limit` seconds ago is not indexed yet, works wait at the door until it is,
in the order in which they came; from half of the limit on few are let in at once. They wait before they run, as one
that has run already would grow old (flush.py).

Nobody waits for an index that does not get on (Elasticsearch is away, nobody feeds it) or that has far to go, as after
an outage: writes would be slow for long, and searches not complete any sooner.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.repeats import Repeats
from fhir_server.core.tasks import end

HELD = 5.0  # seconds that a work waits at most
AGAIN = 0.02  # seconds until it is looked again whether it may run
FEW = 16  # works that run at one time while the index is behind
LOOK = 0.05  # seconds between looks at how far the index is
STUCK = 5.0  # seconds without a step after which an index does not get on,
SELDOM = 1.0  # and between looks at such a one
FAR = 30.0  # seconds behind that are no matter of moments
GRAIN = 0.05  # seconds whose commits are noted as one
MOST_NOTES = 1000

log = structlog.get_logger("commits")


async def nowhere() -> int | None:
    """Where nothing is indexed."""
    return None


class Pressure:
    """limit: seconds behind from which on works wait, 0 for never; position: up to where all is indexed, None where
    that can't be told.
    """

    def __init__(
        self,
        limit: float = 0.0,
        position: Callable[[], Awaitable[int | None]] = nowhere,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._position = position
        self._monotonic = monotonic
        self._notes: deque[tuple[float, int]] = deque()  # when something was stored that is not indexed, and its end
        self._reached = 0
        self._moved = float("-inf")
        self._door = asyncio.Lock()
        self._inside = 0
        self._told_already = Repeats(clock=monotonic)
        self._looking: asyncio.Task[None] | None = None

    @property
    def behind(self) -> float:
        """Seconds since something was stored that is not indexed, as far as is known; 0.0 for nothing."""
        return self._monotonic() - self._notes[0][0] if self._notes else 0.0

    def stored(self, position: int) -> None:
        """A commit of this process is there, whose last change has this position."""
        if not self._limit or position <= self._reached:
            return
        now = self._monotonic()
        if self._notes and (now - self._notes[-1][0] < GRAIN or len(self._notes) >= MOST_NOTES):
            self._notes[-1] = self._notes[-1][0], max(position, self._notes[-1][1])
        else:
            if not self._notes:
                self._moved = now
            self._notes.append((now, position))
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits until a work may run, which is what the block does."""
        if self._limit:
            until = self._monotonic() + HELD
            async with self._door:
                while self._monotonic() < until and self.full:
                    await asyncio.sleep(AGAIN)
        self._inside += 1
        try:
            yield
        finally:
            self._inside -= 1

    @property
    def full(self) -> bool:
        """Whether a work has to wait."""
        if not self._holds(self._limit):
            return self._inside >= FEW and self._holds(self._limit / 2)
        if self._told_already.due("behind"):
            log.info("writes wait for the search index", behind=round(self.behind, 1))
        return True

    def _holds(self, limit: float) -> bool:
        return bool(self._notes) and limit < self.behind < FAR and not self._stuck

    @property
    def _stuck(self) -> bool:
        return self._monotonic() - self._moved >= STUCK

    async def _look(self) -> None:
        """Until everything is indexed; what is not old is not worth a look."""
        while self._notes:
            await asyncio.sleep(SELDOM if self._stuck else LOOK)
            if self.behind < self._limit / 2:
                continue
            try:
                position = await self._position()
            except FhirError:  # commits say so
                position = None
            if position is not None and position > self._reached:
                self._reached = position
                self._moved = self._monotonic()
                while self._notes and self._notes[0][1] <= position:
                    self._notes.popleft()

    async def close(self) -> None:
        """Ends the looking."""
        await end(self._looking)
