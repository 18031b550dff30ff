"""A store of each engine, without a server on it, and writes by what a test wants to say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from fhir_server import definitions as r4
from fhir_server.codec.canonical import draft
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction, Write
from fhir_server.core.settings import Settings
from fhir_server.definitions.ucum import UcumConverter
from fhir_server.search.extract import Extractor
from fhir_server.search.fields import Fields
from fhir_server.search.identifying import Identifying
from tests.conftest import HeldClock
from tests.engines import EMBEDDED

DEFINITIONS = r4.load()
EXTRACT = Extractor(DEFINITIONS, Fields(DEFINITIONS)).extract


class Shelf:
    """A store with short ways to write to it."""

    def __init__(self, store: Any, open_another: Callable[[], Awaitable[Shelf]]) -> None:
        self.store = store
        self.another = open_another

    async def put(self, resource: dict[str, Any], method: str = "PUT") -> StoredVersion:
        """The next version of a resource that has an id."""

        async def work(transaction: Transaction) -> StoredVersion:
            return await self.put_in(transaction, resource, method)

        return await self.store.commit(work)

    @staticmethod
    async def put_in(transaction: Transaction, resource: dict[str, Any], method: str = "PUT") -> StoredVersion:
        type, id = resource["resourceType"], resource["id"]
        head = await transaction.read(type, id)
        number = head.version + 1 if head else 1
        updated = transaction.now()
        body = draft(resource).body(id, number, updated)
        return await transaction.put(Write(type, id, number, updated, method, body, EXTRACT(resource)))

    async def delete(self, type: str, id: str) -> StoredVersion:
        async def work(transaction: Transaction) -> StoredVersion:
            head = await transaction.read(type, id)
            assert head is not None
            return await transaction.put(Write(type, id, head.version + 1, transaction.now(), "DELETE", b"", ()))

        return await self.store.commit(work)

    async def erase(self, type: str, id: str) -> int:
        return await self.store.commit(lambda transaction: transaction.erase(type, id))

    async def changes(self) -> list[tuple[str, str, int, str]]:
        return [(c.type, c.id, c.version, c.method) for c in await self.store.changes(0)]

    async def together(self, *works: Callable[[Transaction], Awaitable[Any]]) -> list[Any]:
        """Commits works at one time; results and exceptions."""
        return await asyncio.gather(*(self.store.commit(work) for work in works), return_exceptions=True)


async def open_shelf(settings: Settings, engine: str, clock: Callable[[], int]) -> Shelf:
    async def another(clock: Callable[[], int] = clock) -> Shelf:
        return await open_shelf(settings, engine, clock)

    if engine == EMBEDDED:
        from fhir_server.storage.sqlite.database import FILE_NAME
        from fhir_server.storage.sqlite.index import SqliteSearchIndex
        from fhir_server.storage.sqlite.store import SqliteStore

        converter = UcumConverter()
        store: Any = SqliteStore(
            settings.data / FILE_NAME,
            clock,
            lambda connection, known: SqliteSearchIndex(connection, known, converter),
            synchronous="OFF",
        )
    else:
        from fhir_server.storage.mongo.database import connect
        from fhir_server.storage.mongo.store import MongoStore

        database = await connect(settings.mongodb_url, settings.mongodb_database)
        store = MongoStore(database, clock, EXTRACT, Identifying(DEFINITIONS))
        await store.start()
    return Shelf(store, another)


@pytest.fixture
async def shelf(settings: Settings, engine: str) -> AsyncIterator[Shelf]:
    opened = await open_shelf(settings, engine, HeldClock())
    yield opened
    await opened.store.close()
