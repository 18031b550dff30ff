"""Where consumers of the feed have got to, who has their work, and who waits for them."""

from __future__ import annotations

import re
from collections.abc import Collection

from fhir_server.core.mongodb import answering
from fhir_server.storage.mongo.database import AT_ONCE, Database
from fhir_server.storage.mongo.leases import take


class Consumers:
    """One document for each; a position that a step-down takes back is only gone through again."""

    def __init__(self, database: Database) -> None:
        self._consumers = database.consumers
        self._at_once = database.consumers.with_options(write_concern=AT_ONCE)

    async def position(self, consumer: str) -> int:
        """Where a consumer has got to."""
        with answering():
            found = await self._consumers.find_one({"_id": consumer}, {"position": 1})
        return int((found or {}).get("position", 0))

    async def advance(self, consumer: str, position: int) -> None:
        """Keeps a consumer's position; only a rebuild (0) moves it back."""
        change = {"$max": {"position": position}} if position else {"$set": {"position": 0}}
        with answering():
            await self._at_once.update_one({"_id": consumer}, change, upsert=True)

    async def lease(self, consumer: str, owner: str, seconds: float) -> bool:
        """Whether owner has this consumer's work to itself for so long, by the clock of MongoDB."""
        with answering():
            return await take(self._consumers, consumer, owner, seconds)

    async def holder(self, consumer: str) -> str:
        """The owner that has, or was the last to have, this consumer's work to itself."""
        with answering():
            found = await self._consumers.find_one({"_id": consumer}, {"owner": 1})
        return str((found or {}).get("owner", ""))

    async def consumers_named(self, prefix: str) -> list[str]:
        """The consumers whose names begin so."""
        with answering():
            found = self._consumers.find({"_id": {"$regex": f"^{re.escape(prefix)}"}}, {"_id": 1})
            return [str(each["_id"]) async for each in found]

    async def forget(self, consumers: Collection[str]) -> None:
        """Forgets consumers that are no more."""
        with answering():
            await self._at_once.delete_many({"_id": {"$in": list(consumers)}})

    async def want(self, consumer: str, position: int) -> None:
        """Somebody waits until this consumer has got so far, wherever its work is done."""
        with answering():
            await self._at_once.update_one({"_id": consumer}, {"$max": {"wanted": position}}, upsert=True)

    async def wanted(self, consumer: str) -> int:
        """The position that somebody waits for, or has waited for."""
        with answering():
            found = await self._consumers.find_one({"_id": consumer}, {"wanted": 1})
        return int((found or {}).get("wanted", 0))
