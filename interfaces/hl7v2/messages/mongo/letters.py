"""Letters, the messages to destinations, in MongoDB."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.errors import DuplicateKeyError

from fhir_server.core.ports import Clock
from interfaces.hl7v2.messages.message import ERASED
from interfaces.hl7v2.messages.mongo.documents import letter_document, letter_of
from interfaces.hl7v2.messages.mongo.failures import told
from interfaces.hl7v2.messages.port import Letter, Tally


class MongoLetters:
    """The part of the store that destinations need."""

    def __init__(self, database: Any, clock: Clock) -> None:
        self._clock = clock
        self._database = database
        self._letters = database["hl7_letters"]
        self._positions = database["hl7_positions"]
        self._sequences = database["hl7_numbers"]

    async def _make_numbers(self) -> None:
        """Makes the sequences where they are missing; counting on must never be the first to make one, as two may."""
        for name in ("message", "letter"):
            with suppress(DuplicateKeyError):  # another makes it at this moment
                await self._sequences.update_one({"_id": name}, {"$setOnInsert": {"last": 0}}, upsert=True)

    async def _number(self, name: str) -> int:
        """The next number of a sequence."""
        found = await self._sequences.find_one_and_update(
            {"_id": name}, {"$inc": {"last": 1}}, return_document=ReturnDocument.AFTER
        )
        return found["last"]

    async def post(self, consumer: str, position: int, letters: Sequence[Letter]) -> None:
        """See the port; a position that was not kept makes the same letters again, which their keys tell."""
        with told():
            for letter in letters:
                same = {"destination": letter.destination, "key": letter.key}
                if await self._letters.find_one(same, {"_id": 1}) is None:
                    try:
                        await self._letters.insert_one(letter_document(letter, await self._number("letter")))
                    except DuplicateKeyError:
                        continue
            if consumer:
                await self._positions.update_one({"_id": consumer}, {"$max": {"position": position}}, upsert=True)

    async def position(self, consumer: str) -> int:
        """See the port."""
        with told():
            found = await self._positions.find_one({"_id": consumer})
            return found["position"] if found else -1

    async def next_letter(self, destination: str) -> Letter | None:
        """See the port."""
        with told():
            pending = {"destination": destination, "state": {"$in": ["queued", "sent", "held"]}}
            found = await self._letters.find_one(pending, sort=[("_id", ASCENDING)])
            return letter_of(found) if found else None

    async def letter(self, id: int) -> Letter | None:
        """See the port."""
        with told():
            found = await self._letters.find_one({"_id": id})
            return letter_of(found) if found else None

    async def letters(self, destination: str = "", state: str = "", before: int = 0, limit: int = 50) -> list[Letter]:
        """See the port."""
        query: dict[str, Any] = {}
        if destination:
            query["destination"] = destination
        if state:
            query["state"] = state
        if before:
            query["_id"] = {"$lt": before}
        with told():
            return [letter_of(each) async for each in self._letters.find(query).sort("_id", DESCENDING).limit(limit)]

    async def mark(self, id: int, state: str, reason: str, answer: bytes, now: int, tried: int = 0) -> None:
        """See the port."""
        with told():
            await self._letters.update_one(
                {"_id": id, "reason": {"$ne": ERASED}},
                {
                    "$set": {"state": state, "reason": reason, "answer": answer, "changed": now},
                    "$inc": {"tries": tried},
                },
            )

    async def erase_letters(self, made_of: Collection[str]) -> int:
        """See the port."""
        made_of, ids = frozenset(made_of), []
        erased = {"state": "dropped", "body": b"", "answer": b"", "reason": ERASED, "changed": self._clock()}
        with told():
            async for letter in self._letters.find({"reason": {"$ne": ERASED}}, {"key": 1}):
                if letter["key"].partition("/_history/")[0] in made_of:
                    ids.append(letter["_id"])
            if ids:
                await self._letters.update_many({"_id": {"$in": ids}}, {"$set": erased})
            return len(ids)

    async def letter_tallies(self) -> list[Tally]:
        """See the port."""
        group = {"_id": {"to": "$destination", "state": "$state"}, "n": {"$sum": 1}, "oldest": {"$min": "$made"}}
        with told():
            found = await self._letters.aggregate([{"$group": group}])
            return [Tally(each["_id"]["to"], each["_id"]["state"], each["n"], each["oldest"]) async for each in found]
