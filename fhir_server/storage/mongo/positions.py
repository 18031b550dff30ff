"""Positions of the feed, on their way from the counter to a commit, or to nobody.

A commit takes its positions from a counter just before its transaction, and inserts them first in it. A position is the
document's _id in `feed`, so either the writer's transaction has it or whoever made it VOID, never both.
docs/decisions/0009-positions-of-the-distributed-feed.md has the reasons and the cost.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import structlog
from pymongo import ReturnDocument
from pymongo.errors import BulkWriteError, OperationFailure

from fhir_server.core.errors import error
from fhir_server.storage.mongo.beats import Beats
from fhir_server.storage.mongo.database import AT_ONCE, Database

COUNTER = "feed"
VOID = "VOID"

log = structlog.get_logger("feed")


class Allocated(NamedTuple):
    """Positions that a commit may use, and the newest moment of the feed by then (microseconds since 1970 UTC).

    closed: no version may be stored any more that is of a moment before it.
    """

    first: int
    updated: int
    closed: int = 0


class Positions:
    """Those of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counters = database.counters.with_options(write_concern=AT_ONCE)
        self.beats = Beats(database.counters)

    async def allocate(self, count: int, updated: int, session: Any) -> Allocated:
        """Positions for a commit whose newest version is of this moment; session: the id of its session.

        Nobody waits until other members have the counter's step: they have it before the commit that follows it. The
        counter remembers the session until its positions are settled.
        """
        known = {"$ifNull": ["$seq", 0]}
        change = {
            "seq": {"$add": [known, count]},
            "before": {"$ifNull": ["$updated", 0]},
            "updated": {"$max": ["$updated", updated]},
            f"writers.{session['id'].hex()}": {
                "first": {"$add": [known, 1]}, "count": count, "session": {"$literal": session},
            },
        }  # fmt: skip
        counter = await self._counters.find_one_and_update(
            {"_id": COUNTER},
            [{"$set": change}],
            projection=("seq", "before", "closed"),
            return_document=ReturnDocument.AFTER,
        )
        if counter is None:
            raise error("unavailable", "The database has no counter of changes; restore it, or start on an empty one.")
        return Allocated(int(counter["seq"]) - count + 1, int(counter["before"]), int(counter.get("closed", 0)))

    async def close(self, moment: int) -> None:
        """Lets no version of a moment before this one have a position that has none yet."""
        await self._database.counters.update_one({"_id": COUNTER}, {"$max": {"closed": moment}})

    async def last(self) -> int:
        """The last one that any commit has taken."""
        counter = await self._database.counters.find_one({"_id": COUNTER}, {"seq": 1})
        return int((counter or {}).get("seq", 0))

    async def settle(self, position: int) -> None:
        """Keeps for other processes that every position up to this one is there, and forgets who has taken those."""
        beyond = {"$gt": [{"$add": ["$$this.v.first", "$$this.v.count"]}, position + 1]}
        writers = {"$filter": {"input": {"$objectToArray": {"$ifNull": ["$writers", {}]}}, "cond": beyond}}
        change = {"settled": {"$max": ["$settled", position]}, "writers": {"$arrayToObject": writers}}
        await self._database.counters.update_one({"_id": COUNTER}, [{"$set": change}])

    async def void(self, positions: Iterable[int]) -> set[int]:
        """Takes positions that are not taken; returns those that now are VOID, by this call or another."""
        taken = list(positions)
        try:
            await self._database.feed.insert_many([{"_id": seq, "m": VOID} for seq in taken], ordered=False)
        except BulkWriteError:
            found = await self._database.feed.find({"_id": {"$in": taken}}, {"m": 1}).to_list()
            return {int(entry["_id"]) for entry in found if entry["m"] == VOID}
        return set(taken)

    async def end_writers(self, missing: range) -> None:
        """Ends the transactions of writers that took these and died: MongoDB itself would do so after a minute."""
        counter = await self._database.counters.find_one({"_id": COUNTER}, {"writers": 1}) or {}
        sessions = [
            writer["session"]
            for writer in counter.get("writers", {}).values()
            if writer["first"] <= missing[-1] and writer["first"] + writer["count"] > missing[0]
        ]
        try:
            if sessions:
                await self._database.client.admin.command({"killSessions": sessions})
        except OperationFailure as problem:  # such as a user who may not; then they end by themselves
            log.warning("transactions of dead writers can't be ended", problem=problem.code)
