"""Who feeds a consumer's target: a document for each, good for some seconds by the clock of MongoDB."""

from __future__ import annotations

from typing import Any

from pymongo import ReturnDocument

from fhir_server.core.mongodb import answering
from fhir_server.storage.changes.feeders import Feeder
from fhir_server.storage.mongo.database import Database

FORGOTTEN = 3_600_000  # milliseconds after which the document of one that was killed goes

_NOW = {"$toLong": "$$NOW"}  # milliseconds since 1970


class MongoFeeders:
    """See the `Feeders` port; among the consumers' documents, of which there are few.

    standby: whether those of this process feed only where no other does.
    """

    def __init__(self, database: Database, standby: bool = False) -> None:
        self._consumers = database.consumers
        self._standby = standby

    async def join(self, consumer: str, feeder: Feeder, seconds: float) -> list[Feeder]:
        """Says that it is there; who comes back in time keeps its place."""
        own = {
            "feeds": {"$literal": consumer},
            "owner": {"$literal": feeder.owner},
            "projectors": feeder.projectors,
            "standby": self._standby,
            "since": {"$ifNull": ["$since", _NOW]},
            "seen": _NOW,
            "until": {"$add": [_NOW, int(seconds * 1000)]},
        }
        with answering():
            mine: Any = await self._consumers.find_one_and_update(
                {"_id": _name(consumer, feeder.owner)},
                [{"$set": own}],
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            found = await self._consumers.find({"feeds": consumer}).to_list()
            now = int(mine["seen"])
            if any(each["until"] < now - FORGOTTEN for each in found):
                await self._consumers.delete_many({"feeds": consumer, "until": {"$lt": now - FORGOTTEN}})
        others = [each for each in found if each["owner"] != feeder.owner and each["until"] > now]
        return _in_order([mine, *others])

    async def leave(self, consumer: str, owner: str) -> None:
        """Its document goes."""
        with answering():
            await self._consumers.delete_one({"_id": _name(consumer, owner)})

    async def feeders(self, consumer: str) -> list[Feeder]:
        """Those that have been there within the time of the newest sign of any."""
        with answering():
            found = await self._consumers.find({"feeds": consumer}).to_list()
        newest = max((each["seen"] for each in found), default=0)
        return _in_order([each for each in found if each["until"] > newest])


def _name(consumer: str, owner: str) -> str:
    return f"{consumer} fed by {owner}"


def _in_order(found: list[dict[str, Any]]) -> list[Feeder]:
    found.sort(key=lambda each: (each["since"], each["owner"]))
    return [Feeder(each["owner"], int(each["projectors"]), bool(each.get("standby"))) for each in found]
