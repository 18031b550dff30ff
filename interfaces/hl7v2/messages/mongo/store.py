"""`MessageStore` in MongoDB; every write is on the journal of a majority before it counts."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, ReturnDocument, WriteConcern
from pymongo.errors import ConnectionFailure, DuplicateKeyError, PyMongoError

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from interfaces.hl7v2.messages.message import (
    DONE,
    ERASED,
    FAILED,
    IGNORED,
    OPEN,
    RECEIVED,
    TRANSLATING,
    WAITING,
    Arrival,
    Message,
    Outcome,
    Step,
    lanes_of,
)
from interfaces.hl7v2.messages.mongo.documents import INDEXES, message_document, message_of, parts
from interfaces.hl7v2.messages.mongo.lanes import Lanes
from interfaces.hl7v2.messages.mongo.letters import MongoLetters
from interfaces.hl7v2.messages.port import NONE_OPEN, Counter, Kept, Novelty, Tally, Wanted

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


class MongoMessageStore(MongoLetters):
    """Messages in a database; any number of processes on any number of machines may share it."""

    def __init__(self, client: AsyncMongoClient, database: Any, clock: Clock) -> None:
        super().__init__(database, _told, clock)
        self._client = client
        self._messages = database["hl7_messages"]
        self._bodies = database["hl7_bodies"]
        self._counters = database["hl7_counters"]
        self._workers = database["hl7_workers"]
        self._leases = database["hl7_leases"]
        self._lanes = Lanes(database)

    async def make(self) -> None:
        """Makes indexes, sequences and lanes where they are missing."""
        for name, indexes in INDEXES.items():
            await self._database[name].create_indexes(indexes)
        await self._make_numbers()
        await self._lanes.make()

    # ------------------------------------------------------------------ in
    async def keep(self, arrival: Arrival, owner: str, refuse_other: str = "") -> Kept:
        """See the port."""
        async with _told():
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
        async with _told():
            now = self._clock()
            await self._lanes.free_dead(now)
            return await self._lanes.following(await self._lanes.waiting_lanes(), owner, now, limit)

    async def finish(self, message: Message, owner: str, outcome: Outcome, now: int) -> list[Message]:
        """See the port."""
        async with _told():
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
        async with _told():
            await self._messages.update_one({"_id": message.id, "state": TRANSLATING}, {"$set": {"reason": reason}})

    # ------------------------------------------------------------------ what people do
    async def reopen(self, id: int, raw: bytes | None, reason: str, patients: tuple[str, ...], now: int) -> bool:
        """See the port."""
        async with _told():
            found = await self._messages.find_one({"_id": id})
            if found is None or found["state"] in OPEN or found["reason"] == ERASED:
                return False
            revision = found["revision"]
            if raw is not None:
                revision = found.get("revisions", found["revision"]) + 1
                await self._bodies.insert_many(parts(id, revision, raw))
            changed = await self._messages.update_one(
                {"_id": id, "attempt": found["attempt"], "state": found["state"]},
                {
                    "$set": {
                        "state": RECEIVED, "open": True, "changed": now, "reason": reason, "owner": "",
                        "revision": revision, "revisions": revision, "patients": list(patients),
                        "lanes": list(lanes_of(patients, found["sender"])),
                    },
                    "$inc": {"attempt": 1},
                    "$push": {"steps": [now, RECEIVED, reason]},
                },
            )  # fmt: skip
            return bool(changed.modified_count)

    async def dismiss(self, id: int, reason: str, now: int) -> bool:
        """See the port."""
        async with _told():
            return await self._settle({"_id": id, "state": {"$in": [FAILED, WAITING]}}, IGNORED, reason, now)

    async def overdue(self, received_before: int) -> list[Message]:
        """See the port."""
        return await self.find(Wanted(state=WAITING, oldest_first=True, until=received_before, limit=100))

    async def expire(self, message: Message, outcome: Outcome, now: int) -> None:
        """See the port."""
        async with _told():
            await self._settle({"_id": message.id, "state": WAITING}, outcome.state, outcome.reason, now)

    async def _settle(self, which: dict[str, Any], state: str, reason: str, now: int) -> bool:
        changed = await self._messages.update_one(
            which,
            {"$set": {"state": state, "changed": now, "reason": reason}, "$push": {"steps": [now, state, reason]}},
        )
        return bool(changed.modified_count)

    async def purge(self, before: int, states: Sequence[str], limit: int = 1000) -> int:
        """See the port."""
        async with _told():
            old = self._messages.find({"state": {"$in": list(states)}, "changed": {"$lt": before}}, {"_id": 1})
            ids = [found["_id"] async for found in old.limit(limit)]
            if ids:
                await self._bodies.delete_many({"message": {"$in": ids}})
                await self._messages.delete_many({"_id": {"$in": ids}})
            return len(ids)

    async def erase(self, patient: str, ids: Sequence[int]) -> list[Message]:
        """See the port."""
        filed = {"$regex": f"^{re.escape(patient)}/_history/"}
        which = {
            "state": {"$ne": TRANSLATING},
            "reason": {"$ne": ERASED},
            "$or": [{"_id": {"$in": list(ids)}}, {"links": filed}],
        }
        erased = []
        async with _told():
            async for found in self._messages.find(which):
                message = message_of(found)
                if await self._erase(message):
                    erased.append(message)
        return erased

    async def _erase(self, message: Message) -> bool:
        """Leaves its document, and of its states when they were; False where it is being applied by now."""
        now, state = self._clock(), message.state if message.state == DONE else IGNORED
        steps = [[each.at, each.state, ""] for each in message.steps] + [[now, state, ERASED]]
        nothing = {"patients": [], "answer": b"", "links": [], "open": False, "owner": ""}
        changed = await self._messages.update_one(
            {"_id": message.id, "state": message.state},
            {"$set": {**nothing, "steps": steps, "state": state, "reason": ERASED, "changed": now}},
        )
        if changed.matched_count:
            await self._bodies.delete_many({"message": message.id})
        return bool(changed.matched_count)

    # ------------------------------------------------------------------ workers
    async def alive(self, owner: str, until: int, connections: Mapping[str, int] = NONE_OPEN) -> None:
        """See the port."""
        said = {"until": until, "connections": [list(one) for one in connections.items()]}
        async with _told():
            await self._workers.update_one({"_id": owner}, {"$set": said}, upsert=True)

    async def connections(self, now: int, but: str) -> dict[str, int]:
        """See the port."""
        found: dict[str, int] = {}
        async with _told():
            async for worker in self._workers.find({"_id": {"$ne": but}, "until": {"$gte": now}}):
                for listener, count in worker.get("connections", ()):
                    found[listener] = found.get(listener, 0) + count
        return found

    async def gone(self, owner: str) -> None:
        """See the port."""
        async with _told():
            await self._lanes.free_owner(owner)

    async def lease(self, name: str, owner: str, now: int, until: int) -> bool:
        """See the port."""
        async with _told():
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

    # ------------------------------------------------------------------ reads
    async def load(self, id: int) -> Message | None:
        """See the port."""
        async with _told():
            found = await self._messages.find_one({"_id": id})
            return message_of(found) if found else None

    async def raw(self, id: int, revision: int = -1) -> bytes:
        """See the port."""
        async with _told():
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
        async with _told():
            order = ASCENDING if wanted.oldest_first else DESCENDING
            found = self._messages.find(_filter(wanted)).sort("_id", order).limit(wanted.limit)
            return [message_of(each) async for each in found]

    async def settled(self, ids: Sequence[int]) -> list[Message]:
        """See the port."""
        async with _told():
            found = self._messages.find({"_id": {"$in": list(ids)}, "open": False})
            return [message_of(each) async for each in found]

    async def counters(self) -> list[Counter]:
        """See the port."""
        async with _told():
            return [Counter(each["sender"], each["what"], each["count"]) async for each in self._counters.find({})]

    async def tallies(self) -> list[Tally]:
        """See the port."""
        group = {"_id": {"sender": "$sender", "state": "$state"}, "n": {"$sum": 1}, "oldest": {"$min": "$received"}}
        async with _told():
            found = await self._messages.aggregate([{"$group": group}])
            return [
                Tally(each["_id"]["sender"], each["_id"]["state"], each["n"], each["oldest"]) async for each in found
            ]

    async def close(self) -> None:
        """See the port."""
        await self._client.close()

    async def _count(self, sender: str, what: str) -> None:
        await self._counters.update_one(
            {"_id": f"{what} {sender}"},
            {"$inc": {"count": 1}, "$setOnInsert": {"sender": sender, "what": what}},
            upsert=True,
        )


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


@contextlib.asynccontextmanager
async def _told() -> AsyncIterator[None]:
    """What goes wrong in MongoDB as an error that says what to do."""
    try:
        yield
    except ConnectionFailure as problem:
        raise error("unavailable", "The message store does not answer; nothing was kept. Send again.") from problem
    except PyMongoError as problem:
        name = type(problem).__name__
        raise error("unavailable", f"The message store refused: {name}; nothing was kept.") from problem


def _shown(url: str) -> str:
    """A URL without its password."""
    return re.sub(r"//[^@/]*@", "//", url)
