"""Which part of the keys a projector has, and how far each part is.

The keys (type and id) are divided by a digest into as many parts as the settings say. Each part has a lease and a
durable position of its own, and all feeders share the parts evenly, in the order in which they came. The consumer's own
position is that of the part which is farthest behind: what searches wait for, and where a part begins that has no
position, as after the number of parts was changed. So whatever feeders disagree about for a moment, no key is missed:
every position says only what is written, and writing something twice changes nothing.
"""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import structlog

from fhir_server.core.ports import Change, ChangeFeed
from fhir_server.storage.changes.feeders import Feeder, Feeders, Single

log = structlog.get_logger("projector")


class Held(NamedTuple):
    """The parts that one feeder has: the position of each, by its number; of: how many there are."""

    positions: Mapping[int, int]
    of: int

    @property
    def position(self) -> int:
        """From where on the feed has to be read."""
        return min(self.positions.values())

    @property
    def whole(self) -> bool:
        """Whether these are all."""
        return len(self.positions) == self.of

    def among(self, changes: Iterable[Change]) -> list[Change]:
        """Those that are about keys of these parts and past their positions."""
        return [
            change
            for change in changes
            if change.seq > self.positions.get(part_of(change.type, change.id, self.of), change.seq)
        ]


def part_of(type: str, id: str, of: int) -> int:
    """The number of the part, from 0, that a key is in."""
    return zlib.crc32(f"{type}/{id}".encode()) % of if of > 1 else 0


def name_of(consumer: str, part: int, of: int) -> str:
    """The name by which a part's lease and position are kept; the whole has the consumer's."""
    return consumer if of == 1 else f"{consumer} part {part + 1} of {of}"


def sharing(feeders: list[Feeder]) -> list[Feeder]:
    """Those among which the parts are divided: none that only stand by, unless there are no others."""
    return [feeder for feeder in feeders if not feeder.standby] or feeders


def due(feeders: list[Feeder], owner: str) -> tuple[list[int], int]:
    """The parts that a feeder should have, and how many there are: as many as any of the feeders' settings say."""
    feeders = sharing(feeders)
    of = max(feeder.projectors for feeder in feeders)
    owners = [feeder.owner for feeder in feeders][:of]
    if owner not in owners:
        return [], of
    return list(range(owners.index(owner), of, len(owners))), of


class Parts:
    """Those of one feeder for one consumer; lease: seconds that it has them without a sign of life."""

    def __init__(
        self,
        feed: ChangeFeed,
        consumer: str,
        owner: str,
        lease: float,
        feeders: Feeders | None = None,
        projectors: int = 1,
    ) -> None:
        self.held: Held | None = None
        self._feed = feed
        self._consumer = consumer
        self._me = Feeder(owner, projectors)
        self._lease = lease
        self._feeders = feeders or Single()
        self._taken = float("-inf")
        self._complete = 0

    async def take(self) -> Held | None:
        """Takes or renews what is due to this feeder; None while it has nothing.

        The same object as before where nothing has changed, so that whoever works on it knows.
        """
        now = time.monotonic()
        if self.held is not None and now - self._taken < self._lease / 3:
            return self.held
        present = await self._feeders.join(self._consumer, self._me, self._lease)
        numbers, of = due(present, self._me.owner)
        before = self.held if now - self._taken <= self._lease else None
        await self._release(numbers, of)
        mine = [number for number in numbers if await self._lease_of(number, of, self._lease)]
        self._taken = now
        if before is None or (before.of, set(before.positions)) != (of, set(mine)):
            await self._begin(mine, of, before)
        return self.held

    async def _lease_of(self, number: int, of: int, seconds: float) -> bool:
        return await self._feed.lease(name_of(self._consumer, number, of), self._me.owner, seconds)

    async def _release(self, numbers: list[int], of: int) -> None:
        """Lets go of what is due to another now."""
        if self.held is not None:
            for number in self.held.positions:
                if self.held.of != of or number not in numbers:
                    await self._lease_of(number, self.held.of, 0)

    async def _begin(self, numbers: list[int], of: int, before: Held | None) -> None:
        positions = {}
        if numbers:
            self._complete = await self._feed.position(self._consumer)
        for number in numbers:
            kept = await self._feed.position(name_of(self._consumer, number, of)) if of > 1 else 0
            positions[number] = max(kept, self._complete)
        self.held = Held(positions, of) if positions else None
        if (of > 1 and numbers) or (before is not None and before.of > 1):
            log.info("feeding", consumer=self._consumer, parts=[number + 1 for number in numbers], of=of)

    async def reach(self, held: Held, position: int) -> int:
        """All of these parts are written up to here; returns up to where every part is, by whichever feeder."""
        if held.of == 1:
            await self._feed.advance(self._consumer, position)
            return position
        names = [name_of(self._consumer, number, held.of) for number in range(held.of)]
        mine = [names[number] for number, kept in held.positions.items() if kept < position]
        await asyncio.gather(*(self._feed.advance(name, position) for name in mine))
        complete = min(await asyncio.gather(*(self._feed.position(name) for name in names)))
        if complete > self._complete:
            await self._feed.advance(self._consumer, complete)
            self._complete = complete
        return self._complete

    async def leave(self) -> None:
        """Lets go of everything, so that others need not wait until the leases run out."""
        await self._release([], 0)
        self.held = None
        await self._feeders.leave(self._consumer, self._me.owner)


async def positions_of(feed: ChangeFeed, consumer: str, feeders: Feeders) -> tuple[int, ...]:
    """How far each part is; () where there are no parts."""
    of = max((feeder.projectors for feeder in sharing(await feeders.feeders(consumer))), default=1)
    if of == 1:
        return ()
    return tuple([await feed.position(name_of(consumer, number, of)) for number in range(of)])
