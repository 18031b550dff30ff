"""Leases by the clock of MongoDB, so that those of the workers may differ."""

from __future__ import annotations

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from fhir_server.storage.mongo.database import Documents


async def take(collection: Documents, name: str, owner: str, seconds: float, *, upsert: bool = True) -> bool:
    """Takes or renews the lease in the document of this name, unless another's has not run out.

    upsert: whether the document is made where there is none; else nobody has the lease.
    """
    mine = {"$literal": owner}
    now = {"$toLong": "$$NOW"}  # milliseconds since 1970
    free = {"$or": [{"$eq": ["$owner", mine]}, {"$lt": [{"$ifNull": ["$until", 0]}, now]}]}
    until = {"$add": [now, int(seconds * 1000)]}
    change = [
        {"$set": {"free": free}},
        {"$set": {"owner": {"$cond": ["$free", mine, "$owner"]}, "until": {"$cond": ["$free", until, "$until"]}}},
        {"$unset": "free"},
    ]
    try:
        found = await collection.find_one_and_update(
            {"_id": name}, change, projection=("owner",), upsert=upsert, return_document=ReturnDocument.AFTER
        )
    except DuplicateKeyError:  # two made it at one time; the other has it
        return False
    return found is not None and found.get("owner") == owner
