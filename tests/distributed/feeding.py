"""A process that feeds a collection of MongoDB from the change feed, until it is killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence

from pymongo import UpdateOne

from fhir_server.storage.changes.entries import Entry, Refused
from fhir_server.storage.changes.projector import Projector
from fhir_server.storage.changes.reading import Reading
from fhir_server.storage.mongo.database import Database, connect
from fhir_server.storage.mongo.store import MongoStore
from tests.conftest import HeldClock
from tests.contract.conftest import EXTRACT
from tests.distributed.conftest import LOOKING

CONSUMER = "collected"
LEASE = 1.0


class Collected:
    """Keeps of every resource the newest change, as an index does, and the processes that told of one."""

    consumer = CONSUMER

    def __init__(self, database: Database) -> None:
        self._collection = database.database[CONSUMER]

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        if entries:
            await self._collection.bulk_write([
                UpdateOne(
                    {"_id": f"{entry.type}/{entry.id}"},
                    {"$max": {"change": entry.change}, "$addToSet": {"by": os.getpid()}},
                    upsert=True,
                )
                for entry in entries
            ])  # fmt: skip
        return []


async def feed(url: str, name: str, projectors: str) -> None:
    """Until it is killed."""
    store = MongoStore(await connect(url + LOOKING, name), HeldClock(), EXTRACT, lambda type, field: True)
    await store.start()
    reading, target = Reading(store.exact, lambda body: []), Collected(store.database)
    sharing = {"feeders": store.feeders, "projectors": int(projectors)}
    await Projector(store, reading, target, lease=LEASE, calls=store, **sharing).run()


if __name__ == "__main__":
    asyncio.run(feed(*sys.argv[1:]))
