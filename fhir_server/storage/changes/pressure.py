"""How far an index is behind what this process stores, and how long writes wait for it.

Where resources are stored faster than they are indexed the index would fall further and further behind, and searches
with it. So once what was stored more than `limit` seconds ago is not indexed yet, commits wait: each for HELD at most,
so that a client notices little, and those that begin then are small, so that the index gets on between two of them.

Nobody waits for an index that does not get on (Elasticsearch is away, nobody feeds it) or that has far to go, as after
an outage: writes would be slow for long, and searches not complete any sooner.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.tasks import end

HELD = 1.0  # seconds that a commit waits at most
AGAIN = 0.02  # seconds until it is looked again whether it may begin
SMALL = 100  # versions of a commit while the index is behind
LOOK = 0.1  # seconds between looks at how far the index is
STUCK = 5.0  # seconds without a step after which an index does not get on
FAR = 30.0  # seconds behind that are no matter of moments
GRAIN = 0.05  # seconds whose commits are noted as one
MOST_NOTES = 1000
TELL_EVERY = 60.0  # seconds between two lines in the log

log = structlog.get_logger("commits")


async def nowhere() -> int | None:
    """Where nothing is indexed."""
    return None


class Pressure:
    """limit: seconds behind from which on commits wait, 0 for never; position: up to where all is indexed, None where
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
        self._since: float | None = None  # when the commit that waits began to
        self._told = float("-inf")
        self._looking: asyncio.Task[None] | None = None

    @property
    def behind(self) -> float:
        """Seconds since something was stored that is not indexed, as far as is known; 0.0 for nothing."""
        return self._monotonic() - self._notes[0][0] if self._notes else 0.0

    @property
    def small(self) -> bool:
        """Whether commits should be small."""
        return self._since is not None or self._holds(self._limit / 2)

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

    def hold(self) -> float:
        """Seconds after which to ask again whether a commit may begin; 0.0 for now."""
        now = self._monotonic()
        if not self._holds(self._limit) or (self._since is not None and now - self._since >= HELD):
            self._since = None
            return 0.0
        if self._since is None:
            self._since = now
            if now - self._told > TELL_EVERY:
                self._told = now
                log.info("writes wait for the search index", behind=round(self.behind, 1))
        return AGAIN

    def _holds(self, limit: float) -> bool:
        return bool(self._notes) and limit < self.behind < FAR and self._monotonic() - self._moved < STUCK

    async def _look(self) -> None:
        """Until everything is indexed; what is not old is not worth a look."""
        while self._notes:
            await asyncio.sleep(LOOK)
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
