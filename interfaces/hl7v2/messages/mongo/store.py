"""`MessageStore` in MongoDB; every write is on the journal of a majority before it counts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pymongo import AsyncMongoClient, ReturnDocument, WriteConcern
from pymongo.errors import DuplicateKeyError, PyMongoError

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from interfaces.hl7v2.messages.message import (
    DONE,
    FAILED,
    OPEN,
    RECEIVED,
    TRANSLATING,
    Arrival,
    Message,
    Outcome,
    Step,
)
from interfaces.hl7v2.messages.mongo.documents import INDEXES, message_document, message_of, parts
from interfaces.hl7v2.messages.mongo.failures import told
from interfaces.hl7v2.messages.mongo.lanes import Lanes
from interfaces.hl7v2.messages.mongo.settling import MongoSettling
from interfaces.hl7v2.messages.port import NONE_OPEN, Kept, Novelty

FOLLOWING = 8  # messages that one that is settled may hand on
SELECTION_MS = 5000


async def open_store(url: str, clock: Clock) -> MongoMessageStore:
    """The store at a mongodb:// URL, in the database that it names, else `hms`; FhirError "unavailable"."""
    client: AsyncMongoClient = AsyncMongoClient(url, serverSelectionTimeoutMS=SELECTION_MS)
    database = client.get_default_database("hms").with_options(write_concern=WriteConcern(w="majority", j=True))
    store = MongoMessageStore(client, database, clock)
    try:
        await store.make()
    except PyMongoError as problem:
        await client.close()
        raise error("unavailable", f"The message store at {_shown(url)} can't be used: {problem}.") from problem
    return store


class MongoMessageStore(MongoSettling):
    """Messages in a database; any number of processes on any number of machines may share it."""

    def __init__(self, client: AsyncMongoClient, database: Any, clock: Clock) -> None:
        super().__init__(database, clock)
        self._client = client
        self._leases = database["hl7_leases"]
        self._lanes = Lanes(database)

    async def make(self) -> None:
        """Makes indexes, sequences and lanes where they are missing."""
        for name, indexes in INDEXES.items():
            await self._database[name].create_indexes(indexes)
        await self._make_numbers()
        await self._lanes.make()

    async def keep(self, arrival: Arrival, owner: str, refuse_other: str = "") -> Kept:
        """See the port."""
        with told():
            same = {"sender": arrival.sender, "control": arrival.control, "digest": arrival.digest.hex()}
            found = await self._messages.find_one(same)
            if found is None:
                kept = await self._insert(arrival, owner, refuse_other)
                if kept is not None:
                    return kept
                found = await self._messages.find_one(same)
            assert found is not None
            await self._count(arrival.sender, "duplicate")
            return Kept(message_of(found), "duplicate", False)

    async def _insert(self, arrival: Arrival, owner: str, refuse_other: str) -> Kept | None:
        """The message as a new one; None where another process kept the same at this moment."""
        novelty: Novelty = "new"
        state, reason = arrival.state, arrival.reason
        used = {"sender": arrival.sender, "control": arrival.control}
        if arrival.control and await self._messages.find_one(used, {"_id": 1}):
            novelty = "other"
            if refuse_other and state == RECEIVED:
                state, reason = FAILED, refuse_other
        now = self._clock()
        steps = (Step(arrival.received, RECEIVED, ""), *([] if state in OPEN else [Step(now, state, reason)]))
        message = Message(
            await self._number("message"), arrival.source, arrival.sender, arrival.control, arrival.kind,
            arrival.version, arrival.digest.hex(), arrival.patients, len(arrival.raw), arrival.received, state, now,
            reason, batch=arrival.batch, alarm=novelty == "other", code=arrival.code, steps=steps,
            answer=arrival.answer,
        )  # fmt: skip
        await self._bodies.insert_many(parts(message.id, 0, arrival.raw))
        try:
            await self._messages.insert_one(message_document(message, ""))
        except DuplicateKeyError:
            await self._bodies.delete_many({"message": message.id})
            return None
        await self._count(arrival.sender, novelty)
        mine = await self._lanes.take(message.id, message.lanes, owner, now) if state == RECEIVED else None
        return Kept(mine or message, novelty, mine is not None)

    async def claim(self, owner: str, limit: int) -> list[Message]:
        """See the port."""
        with told():
            now = self._clock()
            await self._lanes.free_dead(now)
            return await self._lanes.following(await self._lanes.waiting_lanes(), owner, now, limit)

    async def finish(self, message: Message, owner: str, outcome: Outcome, now: int) -> list[Message]:
        """See the port."""
        with told():
            steps = [[message.changed, TRANSLATING, ""], [now, outcome.state, outcome.reason]]
            changed = await self._messages.update_one(
                {"_id": message.id, "owner": owner, "state": TRANSLATING},
                {
                    "$set": {
                        "state": outcome.state, "changed": now, "reason": outcome.reason, "owner": "", "open": False,
                        "code": outcome.code, "links": list(outcome.links), "answer": outcome.answer,
                    },
                    "$push": {"steps": {"$each": steps}},
                },
            )  # fmt: skip
            if not changed.modified_count:
                return []
            await self._lanes.free(message.id, message.lanes)
            await self._count(message.sender, outcome.state)
            lanes = set(message.lanes)
            if outcome.state == DONE and outcome.releases:
                lanes |= await self._lanes.release(outcome.releases, now)
            return await self._lanes.following(lanes, owner, now, FOLLOWING)

    async def note(self, message: Message, reason: str) -> None:
        """See the port."""
        with told():
            await self._messages.update_one({"_id": message.id, "state": TRANSLATING}, {"$set": {"reason": reason}})

    # ------------------------------------------------------------------ workers
    async def alive(self, owner: str, until: int, connections: Mapping[str, int] = NONE_OPEN) -> None:
        """See the port."""
        said = {"until": until, "connections": [list(one) for one in connections.items()]}
        with told():
            await self._workers.update_one({"_id": owner}, {"$set": said}, upsert=True)

    async def gone(self, owner: str) -> None:
        """See the port."""
        with told():
            await self._lanes.free_owner(owner)

    async def lease(self, name: str, owner: str, now: int, until: int) -> bool:
        """See the port."""
        with told():
            try:
                await self._leases.find_one_and_update(
                    {"_id": name, "$or": [{"owner": owner}, {"until": {"$lte": now}}]},
                    {"$set": {"owner": owner, "until": until}},
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            except DuplicateKeyError:  # another's lease: the condition did not find it, and it is there
                return False
            return True

    async def close(self) -> None:
        """See the port."""
        await self._client.close()

    async def _count(self, sender: str, what: str) -> None:
        await self._counters.update_one(
            {"_id": f"{what} {sender}"},
            {"$inc": {"count": 1}, "$setOnInsert": {"sender": sender, "what": what}},
            upsert=True,
        )


def _shown(url: str) -> str:
    """A URL without its password."""
    return re.sub(r"//[^@/]*@", "//", url)
