"""The change feed: one document per position, without gaps that could fill behind a reader.

Commits that run at one time may become visible in another order than that of their positions (positions.py), so a
reader stops before a position that is not there yet. It is there within milliseconds, or as soon as a writer that still
gives signs of life (beats.py) has done; where the writer died, a reader takes the position itself (VOID). A writer that
finds its position taken commits nothing and takes another. No clock decides anything but how long to wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from operator import itemgetter
from typing import Any, NamedTuple

import structlog
from pymongo import timeout as within
from pymongo.errors import PyMongoError

from fhir_server.core.errors import error
from fhir_server.core.mongodb import answering
from fhir_server.core.ports import Change
from fhir_server.storage.mongo.database import Database
from fhir_server.storage.mongo.positions import COUNTER, VOID, Positions

PATIENCE = 2.0  # seconds without a sign of life after which a missing position is taken away from its writer
GIVE_UP = 20.0  # seconds after which a reader says that the feed can't be read
WINDOW = 1000  # positions that are looked at together
SETTLED_EVERY = 1000  # positions after which the settled one is kept for other processes
LEFT_OPEN = (
    "A commit takes too long. Where the server that began it is gone, MongoDB ends it a minute after it began at the "
    "latest (transactionLifetimeLimitSeconds); try again."
)

log = structlog.get_logger("feed")


class Missing(NamedTuple):
    """A position that is not there: since when (monotonic), and the signs of life of its writer by then."""

    position: int
    since: float
    beats: dict[str, int]


class Still(NamedTuple):
    """The newest committed position that is known, and where the counter stood then; None: more may come."""

    end: int | None
    newest: int


class MongoFeed:
    """Reads the feed, and takes positions away from writers that are gone."""

    def __init__(self, database: Database, positions: Positions) -> None:
        self._database = database
        self.positions = positions
        self._settled = 0  # every position up to it is there
        self._kept = 0
        self._missing = Missing(0, 0.0, {})
        self._still = Still(None, 0)

    async def start(self) -> None:
        """Learns from where on positions have to be looked at."""
        with answering():
            counter = await self._database.counters.find_one({"_id": COUNTER})
        self._settled = self._kept = int((counter or {}).get("settled", 0))

    async def changes(self, after: int, limit: int = 1000) -> list[Change]:
        """Changes past a position, oldest first."""
        found: list[Change] = []
        with answering():
            for window in windows(after, await self.positions.last()):
                for entry in await self._entries(window):
                    seq = int(entry["_id"])
                    if seq != after + 1:
                        await self._look_after(after, seq)
                        return found[:limit]
                    after = seq
                    if entry["m"] != VOID:
                        found.append(Change(seq, entry["t"], entry["i"], int(entry["v"]), entry["m"], int(entry["u"])))
                self._settled = max(self._settled, after)
                if len(found) >= limit or (found and after != window[-1]):
                    break
        return found[:limit]

    async def newest(self) -> int:
        """The position of the newest change that is committed: past every one that was answered before this call.

        A position that nobody used is none: whoever waited for it would wait for nothing.
        """
        with answering():
            end = await self.positions.last()
            if end == self._still.end:
                return self._still.newest
            newest = before = self._still.newest
            unused = 0
            for window in windows(before, end, backwards=True):
                entries = await self._entries(window, {"m": 1})
                newest = max((int(entry["_id"]) for entry in entries if entry["m"] != VOID), default=before)
                unused += sum(1 for entry in entries if entry["_id"] > newest)
                if newest > before:
                    break
        self._still = Still(end if unused == end - newest else None, newest)
        return newest

    async def head(self) -> int:
        """The position of the newest change; nothing will appear at or before it any more."""
        with answering():
            head = await self._last()
        pause, until = 0.001, time.monotonic() + GIVE_UP
        while self._settled < head:
            with answering():
                missing = await self._first_missing(head)
            if missing is None:
                break
            if time.monotonic() > until:
                raise error("unavailable", LEFT_OPEN, headers={"Retry-After": "5"})
            await self._look_after(*missing)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.05)
        await self._keep_settled()
        return head

    async def _entries(self, window: range, shown: dict[str, int] | None = None) -> list[dict[str, Any]]:
        """What is at these positions, in order. Each is named, as a look-up by keys is quick whatever MongoDB it is."""
        found = await self._database.feed.find({"_id": {"$in": list(window)}}, shown).to_list()
        return sorted(found, key=itemgetter("_id"))

    async def _last(self) -> int:
        """The last position that is there."""
        settled = self._settled
        for window in windows(settled, await self.positions.last(), backwards=True):
            entries = await self._entries(window, {"_id": 1})
            if entries:
                return int(entries[-1]["_id"])
        return settled

    async def _first_missing(self, head: int) -> tuple[int, int] | None:
        """The last position that is there before a gap and the first after it; None for none up to head."""
        after = self._settled
        for window in windows(after, head):
            for entry in await self._entries(window, {"_id": 1}):
                seq = int(entry["_id"])
                if seq != after + 1:
                    return after, seq
                after = self._settled = seq
        return None

    async def _look_after(self, last: int, following: int) -> None:
        """Takes the positions between these two away from writers that have given no sign of life for long."""
        now = time.monotonic()
        if self._missing.position != last + 1:
            self._missing = Missing(last + 1, now, {})
        if now - self._missing.since < PATIENCE:
            return
        missing, beats = range(last + 1, following), self._missing.beats
        try:
            beats = await self.positions.beats.of(missing)
            if beats == self._missing.beats:
                log.warning("positions of the feed never came", first=missing[0], count=len(missing))
                await self.positions.end_writers(missing)
                with within(PATIENCE):
                    await self.positions.void(missing)
                await self.positions.beats.remove(beats)
        except PyMongoError as problem:
            log.warning("positions of the feed can't be taken", problem=type(problem).__name__)
        self._missing = Missing(last + 1, time.monotonic(), beats)

    async def _keep_settled(self) -> None:
        if self._settled - self._kept >= SETTLED_EVERY:
            self._kept = self._settled
            with answering():
                await self.positions.settle(self._settled)


def windows(after: int, end: int, backwards: bool = False) -> Iterator[range]:
    """The positions past one and up to another, some at a time."""
    if backwards:
        for last in range(end, after, -WINDOW):
            yield range(max(last - WINDOW, after) + 1, last + 1)
    else:
        for first in range(after + 1, end + 1, WINDOW):
            yield range(first, min(first + WINDOW, end + 1))
