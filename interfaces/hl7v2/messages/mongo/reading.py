"""What is read of messages in MongoDB: one, many by what is wanted of them, and counts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING

from fhir_server.core.ports import Clock
from interfaces.hl7v2.messages.message import WAITING, Message
from interfaces.hl7v2.messages.mongo.documents import message_of
from interfaces.hl7v2.messages.mongo.failures import told
from interfaces.hl7v2.messages.mongo.letters import MongoLetters
from interfaces.hl7v2.messages.port import Counter, Tally, Wanted


class MongoReading(MongoLetters):
    """The part of the store that only reads messages."""

    def __init__(self, database: Any, clock: Clock) -> None:
        super().__init__(database, clock)
        self._messages = database["hl7_messages"]
        self._bodies = database["hl7_bodies"]
        self._counters = database["hl7_counters"]
        self._workers = database["hl7_workers"]

    async def load(self, id: int) -> Message | None:
        """See the port."""
        with told():
            found = await self._messages.find_one({"_id": id})
            return message_of(found) if found else None

    async def raw(self, id: int, revision: int = -1) -> bytes:
        """See the port."""
        with told():
            if revision < 0:
                found = await self._messages.find_one({"_id": id}, {"revision": 1})
                revision = found["revision"] if found else 0
            content = b""
            for number in range(1000):
                part = await self._bodies.find_one({"_id": f"{id}/{revision}/{number}"})
                if part is None:
                    break
                content += part["content"]
            return content

    async def find(self, wanted: Wanted) -> list[Message]:
        """See the port."""
        with told():
            order = ASCENDING if wanted.oldest_first else DESCENDING
            found = self._messages.find(_filter(wanted)).sort("_id", order).limit(wanted.limit)
            return [message_of(each) async for each in found]

    async def overdue(self, received_before: int) -> list[Message]:
        """See the port."""
        return await self.find(Wanted(state=WAITING, oldest_first=True, until=received_before, limit=100))

    async def settled(self, ids: Sequence[int]) -> list[Message]:
        """See the port."""
        with told():
            found = self._messages.find({"_id": {"$in": list(ids)}, "open": False})
            return [message_of(each) async for each in found]

    async def counters(self) -> list[Counter]:
        """See the port."""
        with told():
            return [Counter(each["sender"], each["what"], each["count"]) async for each in self._counters.find({})]

    async def tallies(self) -> list[Tally]:
        """See the port."""
        group = {"_id": {"sender": "$sender", "state": "$state"}, "n": {"$sum": 1}, "oldest": {"$min": "$received"}}
        with told():
            found = await self._messages.aggregate([{"$group": group}])
            return [
                Tally(each["_id"]["sender"], each["_id"]["state"], each["n"], each["oldest"]) async for each in found
            ]

    async def connections(self, now: int, but: str) -> dict[str, int]:
        """See the port."""
        found: dict[str, int] = {}
        with told():
            async for worker in self._workers.find({"_id": {"$ne": but}, "until": {"$gte": now}}):
                for listener, count in worker.get("connections", ()):
                    found[listener] = found.get(listener, 0) + count
        return found


def _filter(wanted: Wanted) -> dict[str, Any]:
    """The query of a list."""
    query: dict[str, Any] = {}
    for name, value in (("state", wanted.state), ("sender", wanted.sender), ("patients", wanted.patient)):
        if value:
            query[name] = value
    for name, test, value in (
        ("received", "$gte", wanted.since),
        ("received", "$lt", wanted.until),
        ("_id", "$lt", wanted.before),
        ("_id", "$gt", wanted.after),
    ):
        if value:
            query.setdefault(name, {})[test] = value
    if wanted.kind:
        query["kind"] = {"$regex": f"^{re.escape(wanted.kind)}", "$options": "i"}
    if wanted.text:
        part = {"$regex": re.escape(wanted.text), "$options": "i"}
        query["$or"] = [{name: part} for name in ("control", "reason", "kind")]
    if wanted.alarm:
        query["alarm"] = True
    return query
