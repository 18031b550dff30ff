"""Collections, indexes and their version.

A migration brings the layout from the version before it to its own. Each can be run again from its start: a worker that
dies amid one leaves it to another. `oldest` in a migration is the version that a program must know at least to work
beside it; so workers of the version before go on while the new ones start, unless a migration says otherwise.
"""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import NamedTuple

import structlog
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from fhir_server.core.errors import error
from fhir_server.core.mongodb import answering
from fhir_server.storage.mongo.database import Database
from fhir_server.storage.mongo.leases import take
from fhir_server.storage.mongo.positions import COUNTER

LEASE = 60  # seconds that a migration has without a sign of life
PATIENCE = 600.0  # seconds that another worker's migration is waited for
COLLECTIONS = ("resources", "history", "feed", "notes", "criteria", "counters", "consumers", "meta",
               "content.files", "content.chunks")  # fmt: skip
CRITERIA_SECONDS = 24 * 3600

log = structlog.get_logger("mongodb")


class Migration(NamedTuple):
    """A step of the layout."""

    version: int
    oldest: int
    run: Callable[[Database], Awaitable[None]]


async def _first(database: Database) -> None:
    await database.resources.create_indexes(
        [
            IndexModel([("keys", ASCENDING), ("type", ASCENDING)]),
            IndexModel([("type", ASCENDING), ("seq", DESCENDING)]),
            IndexModel([("seq", DESCENDING)]),
        ]
    )
    await database.history.create_indexes(
        [
            IndexModel([("key", ASCENDING), ("seq", DESCENDING)]),
            IndexModel([("keys", ASCENDING)]),
            IndexModel([("type", ASCENDING), ("seq", DESCENDING)]),
            IndexModel([("seq", DESCENDING)]),
        ]
    )
    await database.counters.update_one({"_id": COUNTER}, {"$setOnInsert": {"seq": 0, "updated": 0}}, upsert=True)
    await database.criteria.create_indexes([IndexModel([("at", ASCENDING)], expireAfterSeconds=CRITERIA_SECONDS)])
    await database.database["content.files"].create_indexes([IndexModel([("filename", 1), ("uploadDate", 1)])])
    await database.database["content.chunks"].create_indexes([IndexModel([("files_id", 1), ("n", 1)], unique=True)])


async def _notes(database: Database) -> None:
    await database.notes.create_indexes([IndexModel([(name, ASCENDING) for name in ("machine", "origin", "place")])])


MIGRATIONS = (Migration(1, 1, _first), Migration(2, 1, _notes))


async def prepare(database: Database, migrations: tuple[Migration, ...] = MIGRATIONS) -> None:
    """Brings the layout up to this program's version; of many workers that start together one does it."""
    newest = migrations[-1].version
    owner = f"{os.getpid()}-{uuid.uuid4().hex}"
    deadline = time.monotonic() + PATIENCE
    with answering():
        while True:
            if await _version(database, newest) >= newest:
                return
            if await take(database.meta, "migration", owner, LEASE):
                version = await _version(database, newest)  # another may have had the lease since the look before
                for migration in migrations:
                    if migration.version > version:
                        await _run(database, migration)
                await database.meta.update_one({"_id": "migration", "owner": owner}, {"$set": {"until": 0}})
                return
            if time.monotonic() > deadline:
                raise error("unavailable", "Another worker is changing the database's layout for too long.")
            await asyncio.sleep(0.1)


async def is_there(database: Database) -> bool:
    """Whether a program has laid this database out already."""
    with answering():
        return await database.meta.find_one({"_id": "layout"}) is not None


async def _version(database: Database, newest: int) -> int:
    """The version of the layout that is there; FhirError where this program (newest) can't work beside it."""
    found = await database.meta.find_one({"_id": "layout"}) or {}
    version = int(found.get("version", 0))
    if version > newest and int(found["oldest"]) > newest:
        raise error(
            "unavailable",
            f"The database has the layout of version {version}, which this program (version {newest}) can't "
            "work beside; start the program of that version or a later one.",
        )
    return version


async def _run(database: Database, migration: Migration) -> None:
    log.info("changing the layout", version=migration.version)
    for name in COLLECTIONS:
        try:
            await database.database.create_collection(name)
        except (CollectionInvalid, OperationFailure) as problem:
            if isinstance(problem, OperationFailure) and problem.code != 48:  # NamespaceExists
                raise
    await migration.run(database)
    await database.meta.update_one(
        {"_id": "layout"}, {"$max": {"version": migration.version, "oldest": migration.oldest}}, upsert=True
    )
