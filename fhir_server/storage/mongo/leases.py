"""Leases by the clock of MongoDB, so that those of the workers may differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from fhir_server.storage.mongo.database import Documents

NOW = {"$toLong": "$$NOW"}  # milliseconds since 1970
ANY: Mapping[str, Any] = {}


def until(seconds: float) -> dict[str, Any]:
    """When a lease runs out that is taken now, in an update."""
    return {"$add": [NOW, int(seconds * 1000)]}


async def take(
    collection: Documents,
    name: str,
    owner: str,
    seconds: float,
    *,
    upsert: bool = True,
    where: Mapping[str, Any] = ANY,
) -> bool:
    """Takes or renews the lease in the document of this name, unless another's has not run out.

    upsert: whether the document is made where there is none; else nobody has the lease. where: what else holds of it.
    """
    mine = {"$literal": owner}
    free = {"$or": [{"$eq": ["$owner", mine]}, {"$lt": [{"$ifNull": ["$until", 0]}, NOW]}]}
    end = until(seconds)
    change = [
        {"$set": {"free": free}},
        {"$set": {"owner": {"$cond": ["$free", mine, "$owner"]}, "until": {"$cond": ["$free", end, "$until"]}}},
        {"$unset": "free"},
    ]
    try:
        found = await collection.find_one_and_update(
            {"_id": name, **where}, change, projection=("owner",), upsert=upsert, return_document=ReturnDocument.AFTER
        )
    except DuplicateKeyError:  # two made it at one time; the other has it
        return False
    return found is not None and found.get("owner") == owner
