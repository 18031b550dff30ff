"""Signs of life of commits that take long, so that a reader of the feed tells a slow writer from one that died.

A commit that is not done after EVERY seconds keeps a document in `counters` that changes as long as its worker lives.
Short ones, nearly all, keep none. Whoever waits for a position compares what it finds with what it found before, so
no clocks are compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import structlog
from pymongo import timeout as within
from pymongo.errors import PyMongoError

from fhir_server.storage.mongo.database import Documents

EVERY = 0.5  # seconds between two signs
PATIENCE = 5.0  # seconds for a sign

log = structlog.get_logger("feed")


class Beats:
    """The signs in one collection."""

    def __init__(self, counters: Documents) -> None:
        self._counters = counters

    @asynccontextmanager
    async def beating(self, positions: range) -> AsyncIterator[None]:
        """Gives signs for these positions until the block is left."""
        over = asyncio.Event()
        beating = asyncio.create_task(self._beat(positions, over))
        try:
            yield
        finally:
            over.set()
            if await beating:
                await self.remove([_name(positions)])

    async def _beat(self, positions: range, over: asyncio.Event) -> int:
        """How many were given until it was over; one that is under way is waited for, so that none comes after."""
        given = 0
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), EVERY)
                return given
            given += 1
            sign = {"first": positions[0], "last": positions[-1], "beat": given}
            try:
                with within(PATIENCE):
                    await self._counters.update_one({"_id": _name(positions)}, {"$set": sign}, upsert=True)
            except PyMongoError as problem:
                log.info("no sign of life could be given", problem=type(problem).__name__)

    async def of(self, positions: range) -> dict[str, int]:
        """The newest sign of each writer that has some of these positions."""
        theirs = {"first": {"$lte": positions[-1]}, "last": {"$gte": positions[0]}}
        return {found["_id"]: int(found["beat"]) async for found in self._counters.find(theirs)}

    async def remove(self, names: Iterable[str]) -> None:
        """Removes signs that nobody needs any more."""
        try:
            with within(PATIENCE):
                await self._counters.delete_many({"_id": {"$in": list(names)}})
        except PyMongoError as problem:  # it stays, and never changes again
            log.info("a sign of life stays", problem=type(problem).__name__)


def _name(positions: range) -> str:
    return f"commit {positions[0]}"
