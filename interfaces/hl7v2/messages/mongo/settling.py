"""What people and time do with settled messages in MongoDB: open them again, put them aside, remove them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from interfaces.hl7v2.messages.message import (
    DONE,
    ERASED,
    FAILED,
    IGNORED,
    OPEN,
    RECEIVED,
    TRANSLATING,
    WAITING,
    Message,
    Outcome,
    lanes_of,
)
from interfaces.hl7v2.messages.mongo.documents import message_of, parts
from interfaces.hl7v2.messages.mongo.failures import told
from interfaces.hl7v2.messages.mongo.reading import MongoReading


class MongoSettling(MongoReading):
    """The part of the store that changes messages which nobody applies."""

    async def reopen(self, id: int, raw: bytes | None, reason: str, patients: tuple[str, ...], now: int) -> bool:
        """See the port."""
        with told():
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
        with told():
            return await self._settle({"_id": id, "state": {"$in": [FAILED, WAITING]}}, IGNORED, reason, now)

    async def expire(self, message: Message, outcome: Outcome, now: int) -> None:
        """See the port."""
        with told():
            await self._settle({"_id": message.id, "state": WAITING}, outcome.state, outcome.reason, now)

    async def _settle(self, which: dict[str, Any], state: str, reason: str, now: int) -> bool:
        changed = await self._messages.update_one(
            which,
            {"$set": {"state": state, "changed": now, "reason": reason}, "$push": {"steps": [now, state, reason]}},
        )
        return bool(changed.modified_count)

    async def purge(self, before: int, states: Sequence[str], limit: int = 1000) -> int:
        """See the port."""
        with told():
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
        with told():
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
