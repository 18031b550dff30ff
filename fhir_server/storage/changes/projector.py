"""The change feed into a target: at least once, by whoever has the lease, each for its part of the keys (parts.py).

A turn takes the changes that there are, reads the resources that they are about as they are now, some at a time, and
writes them; the next are made ready while the target takes those before. A position is kept once everything up to it is
written. So a projector that is killed at any moment has lost nothing; the next one does some of it again, and that
changes nothing, as every entry carries its position in the feed. For the same reason two writes of one resource may be
under way at one time: whichever comes last, the later version stays.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Change, ChangeFeed
from fhir_server.storage.changes.calls import Calls
from fhir_server.storage.changes.entries import Away, Busy, Entry, Target
from fhir_server.storage.changes.feeders import Feeders
from fhir_server.storage.changes.flight import Flight
from fhir_server.storage.changes.parts import Held, Parts
from fhir_server.storage.changes.reading import Behind, Reading, bare

CHANGES = 1000  # that are taken from the feed at once
UNDER_WAY = 3  # writes at one time
LEASE = 5.0  # seconds that one projector has the work to itself without a sign of life
LEAVING = 2.0  # seconds for telling others that it goes
SOON, QUIET = 0.05, 0.2  # seconds between looks whether somebody waits, after changes and later on
QUIET_AFTER = 100  # looks
UNCALLED = 0.25  # seconds between looks at the feed where nobody waits: few writes of many cost less than many of few
PASS_OVER_EVERY = 0.5  # seconds between looks for positions at the end of the feed that no change has
PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds before what failed is tried again

Prepare = Callable[[Sequence[Change] | None], Awaitable[None]]

log = structlog.get_logger("projector")


class Projector:
    """Feeds one target; told: is called with the consumer and each position that is kept, or with 0 where nothing holds
    this one up any more, away: when the target can't be reached; prepare: before the resources of changes are read,
    with None once the work was taken over.

    lease: seconds for which another waits before it takes up the work of one that is gone; calls: who waits in other
    processes, None where each look is at the feed itself; feeders, projectors: see Parts.
    """

    def __init__(
        self,
        feed: ChangeFeed,
        reading: Reading,
        target: Target,
        told: Callable[[str, int], None] = lambda consumer, position: None,
        away: Callable[[str], None] = lambda consumer: None,
        *,
        prepare: Prepare | None = None,
        lease: float = LEASE,
        calls: Calls | None = None,
        feeders: Feeders | None = None,
        projectors: int = 1,
    ) -> None:
        self._feed = feed
        self._reading = reading
        self._target = target
        self._told = told
        self._away = away
        self._prepare = prepare
        self._lease = lease
        self._calls = calls
        owner = f"{os.getpid()}-{os.urandom(6).hex()}"
        self._parts = Parts(feed, target.consumer, owner, lease, feeders, projectors)
        self._held: Held | None = None  # None: the work is another's
        self._position = 0  # up to which all that is held is written
        self._passed = float("-inf")
        self._wanted = asyncio.Event()

    def hurry(self) -> bool:
        """Somebody waits for the newest change; whether this one has all the work."""
        self._wanted.set()
        return self._held is not None and self._held.whole

    async def run(self) -> None:
        """Goes on until it is cancelled; whatever fails is tried again."""
        try:
            await self._go_on()
        finally:
            with suppress(FhirError, TimeoutError):
                await asyncio.wait_for(self._parts.leave(), LEAVING)

    async def _go_on(self) -> None:
        looks, pause = 0, PAUSE
        while True:
            try:
                worked = await self.turn()
            except (Busy, Behind, FhirError) as problem:
                if isinstance(problem, Away):
                    self._away(self._target.consumer)
                log.warning("indexing waits", consumer=self._target.consumer, problem=str(problem), seconds=pause)
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
                continue
            except Exception as problem:  # a mistake of ours must not end the feed for good
                log.exception("indexing failed", consumer=self._target.consumer, problem=repr(problem))
                await asyncio.sleep(LONGEST_PAUSE)
                continue
            self._told(self._target.consumer, 0)  # there is nothing left here: another that has the work may get on
            pause = PAUSE
            looks = 0 if worked else looks + 1
            await self._rest(SOON if looks < QUIET_AFTER else QUIET)

    async def _rest(self, seconds: float) -> None:
        """Until somebody waits, here or elsewhere, or until it is time."""
        mine = self._held is not None
        until = time.monotonic() + UNCALLED
        while not await self._hurried(seconds if mine else self._lease / 4):
            if not mine or self._calls is None or time.monotonic() > until:
                return
            try:
                called = await self._calls.wanted(self._target.consumer)
            except FhirError:  # the turn will say so
                return
            if called > self._position:
                return
        if not mine:
            await asyncio.sleep(QUIET)  # whoever has the work is asked for it, not this one

    async def _hurried(self, seconds: float) -> bool:
        try:
            await asyncio.wait_for(self._wanted.wait(), seconds)
        except TimeoutError:
            return False
        self._wanted.clear()
        return True

    async def turn(self) -> bool:
        """All changes that there are; False where there are none, or another has the work."""
        held = await self._place()
        if held is None:
            return False
        changes = await self._feed.changes(self._position, CHANGES)
        if not changes:
            await self._pass_over(held)
            return False
        flight = Flight(UNDER_WAY)
        try:
            while changes:
                if self._prepare is not None:
                    await self._prepare(changes)
                async for batch in self._reading.batches(held.among(changes), changes[-1].seq):
                    await flight.begin(partial(self._write, batch.entries), batch.until)
                    await self._reach(held, flight.done)
                changes = await self._feed.changes(changes[-1].seq, CHANGES)
                if await self._place() is not held:  # once something is done: reads may take longer than a lease
                    break
            await flight.land()
            await self._reach(held, flight.done)
        finally:
            await flight.abandon()
        return True

    async def _pass_over(self, held: Held) -> None:
        """Positions at the feed's end that no change took, or ever will, must not be waited for."""
        now = time.monotonic()
        if now - self._passed < PASS_OVER_EVERY:
            return
        self._passed = now
        head = await self._feed.head()
        if head > self._position and not await self._feed.changes(self._position, 1):
            await self._reach(held, head)

    async def _reach(self, held: Held, position: int) -> None:
        if position <= (self._position if held is self._held else held.position):
            return
        complete = await self._parts.reach(held, position)
        if held is self._held:
            self._position = position
        self._told(self._target.consumer, complete)

    async def _place(self) -> Held | None:
        """What is held now; positions are read anew where some of it was another's meanwhile."""
        held = await self._parts.take()
        if held is not self._held:
            self._held = held
            if held is not None:
                self._position = held.position
                if self._prepare is not None:
                    await self._prepare(None)
        return held

    async def _write(self, entries: Sequence[Entry]) -> None:
        refused = await self._target.write(entries)
        if not refused:
            return
        for entry, problem in refused:
            log.error("a resource is indexed by its id only", resource=f"{entry.type}/{entry.id}", problem=problem)
        for entry, problem in await self._target.write([bare(entry, problem) for entry, problem in refused]):
            log.error("a resource can't be indexed at all", resource=f"{entry.type}/{entry.id}", problem=problem)
