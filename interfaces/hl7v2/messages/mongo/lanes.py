"""Order in MongoDB: a message is applied while it has the documents of all its lanes, taken in ascending order.

It may take them when it is the first open message of each. The documents keep two processes apart that look at the
same moment; what a process had that ended is freed by the next look.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pymongo import ASCENDING, ReturnDocument
from pymongo.errors import BulkWriteError

from interfaces.hl7v2.messages.message import LANES, RECEIVED, TRANSLATING, Message
from interfaces.hl7v2.messages.mongo.documents import message_of
from interfaces.hl7v2.messages.owners import ended

STALE = 10 * 1_000_000  # microseconds after which a lane without a message that is applied in it is free


class Lanes:
    """The lanes of a database."""

    def __init__(self, database: Any) -> None:
        self._messages = database["hl7_messages"]
        self._lanes = database["hl7_lanes"]
        self._workers = database["hl7_workers"]
        self._leases = database["hl7_leases"]

    async def make(self) -> None:
        """Makes the documents of the lanes where they are missing."""
        there = {found["_id"] async for found in self._lanes.find({}, {"_id": 1})}
        missing = [{"_id": lane, "message": 0, "since": 0} for lane in range(LANES) if lane not in there]
        if missing:
            with suppress(BulkWriteError):  # another makes some at this moment
                await self._lanes.insert_many(missing, ordered=False)

    async def take(self, id: int, lanes: Iterable[int], owner: str, now: int) -> Message | None:
        """The message, now the owner's; None where it is not first, or another's."""
        wanted = sorted(lanes)
        if any([await self.first(lane) != id for lane in wanted]):
            return None
        had: list[int] = []
        for lane in wanted:
            taken = await self._lanes.update_one({"_id": lane, "message": 0}, {"$set": {"message": id, "since": now}})
            if not taken.modified_count:
                await self.free(id, had)
                return None
            had.append(lane)
        found = await self._messages.find_one_and_update(
            {"_id": id, "state": RECEIVED},
            {"$set": {"state": TRANSLATING, "changed": now, "owner": owner}},
            return_document=ReturnDocument.AFTER,
        )
        if found is None:
            await self.free(id, had)
            return None
        return message_of(found)

    async def first(self, lane: int) -> int | None:
        """The first open message of a lane."""
        found = await self._messages.find_one({"open": True, "lanes": lane}, {"_id": 1}, sort=[("_id", ASCENDING)])
        return found["_id"] if found else None

    async def free(self, id: int, lanes: Iterable[int]) -> None:
        """The message has these lanes no more."""
        await self._lanes.update_many(
            {"_id": {"$in": list(lanes)}, "message": id}, {"$set": {"message": 0, "since": 0}}
        )

    async def following(self, lanes: Iterable[int], owner: str, now: int, limit: int) -> list[Message]:
        """What is first in these lanes and may be applied becomes the owner's."""
        taken: list[Message] = []
        seen: set[int] = set()
        for lane in sorted(set(lanes)):
            if len(taken) == limit:
                break
            found = await self._messages.find_one(
                {"open": True, "lanes": lane}, {"state": 1, "lanes": 1}, sort=[("_id", ASCENDING)]
            )
            if found is None or found["_id"] in seen or found["state"] != RECEIVED:
                continue
            seen.add(found["_id"])
            mine = await self.take(found["_id"], found["lanes"], owner, now)
            if mine is not None:
                taken.append(mine)
        return taken

    async def waiting_lanes(self) -> list[int]:
        """The lanes that some message is received in."""
        return await self._messages.distinct("lanes", {"open": True, "state": RECEIVED})

    async def release(self, numbers: Iterable[str], now: int) -> set[int]:
        """Gives the messages that wait for these numbers another try; the lanes that they take."""
        lanes: set[int] = set()
        async for found in self._messages.find({"state": "waiting", "patients": {"$in": list(numbers)}}):
            lanes |= set(found["lanes"])
            await self._messages.update_one(
                {"_id": found["_id"], "state": "waiting"},
                {
                    "$set": {"state": RECEIVED, "open": True, "changed": now, "reason": ""},
                    "$push": {"steps": [now, RECEIVED, "its patient came"]},
                },
            )
        return lanes

    async def free_owner(self, owner: str) -> None:
        """What this owner has is nobody's."""
        async for found in self._messages.find({"state": TRANSLATING, "owner": owner}, {"lanes": 1}):
            await self._messages.update_one(
                {"_id": found["_id"], "owner": owner}, {"$set": {"state": RECEIVED, "owner": ""}}
            )
            await self.free(found["_id"], found["lanes"])
        await self._leases.delete_many({"owner": owner})
        await self._workers.delete_one({"_id": owner})

    async def free_dead(self, now: int) -> None:
        """What owners have who are dead, and lanes that no message is applied in any more."""
        async for worker in self._workers.find({}):
            if worker["until"] < now or ended(worker["_id"]):
                await self.free_owner(worker["_id"])
        async for lane in self._lanes.find({"message": {"$gt": 0}, "since": {"$lt": now - STALE}}):
            there = await self._messages.find_one({"_id": lane["message"]}, {"state": 1})
            if there is None or there["state"] != TRANSLATING:
                await self.free(lane["message"], [lane["_id"]])
