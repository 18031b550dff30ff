"""The embedded tables in memory, filled through the store's own transaction, with the index over them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import msgspec

from fhir_server.core.ports import UnitConverter, Write
from fhir_server.core.query import Clause, Page, Query
from fhir_server.core.side_thread import SideThread
from fhir_server.core.values import SearchValue
from fhir_server.storage.sqlite import schema
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.transaction import SqliteTransaction

T = TypeVar("T")

START = 1_790_000_000_000_000  # microseconds


def run(work: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns."""
    return asyncio.run(work)


class Shelf:
    """Resources by (type, id) with the values that they are indexed by; each put is a commit, a second later."""

    def __init__(self, converter: UnitConverter | None = None) -> None:
        self.connection = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512)
        self.connection.executescript(schema.TABLES)
        known = Dictionaries(self.connection)
        self.index = SqliteSearchIndex(self.connection, known, converter)
        self.transaction = SqliteTransaction(self.connection, known, self.index, lambda: self.now, SideThread("disk"))
        self.now = START
        self.versions: dict[tuple[str, str], int] = {}

    def put(self, type: str, id: str, *values: SearchValue, body: dict | None = None) -> bytes:
        """Stores a version; returns its body."""
        content = msgspec.json.encode({"resourceType": type, "id": id, **(body or {})})
        self._write(type, id, "PUT", content, values)
        return content

    def delete(self, type: str, id: str) -> None:
        """Stores a deletion."""
        self._write(type, id, "DELETE", b"", ())

    def _write(self, type: str, id: str, method: str, body: bytes, values: Sequence[SearchValue]) -> None:
        version = self.versions[(type, id)] = self.versions.get((type, id), 0) + 1
        self.now += 1_000_000
        self.connection.execute("BEGIN IMMEDIATE")
        self.transaction.open_group()
        self.transaction.start()
        run(self.transaction.put(Write(type, id, version, self.now, method, body, values)))
        self.transaction.finish()
        self.transaction.commit()

    def page(self, query: Query) -> Page:
        """One page."""
        return run(self.index.search(query))

    def ids(self, type: str, where: Clause, **query: Any) -> list[str]:
        """The ids that match, in order."""
        return [found.id for found in self.page(Query((type,), where, **{"count": 100, **query})).matches]

    def rids(self) -> dict[tuple[str, str], int]:
        """The rid of each resource that the store has heard of."""
        rows = self.connection.execute("SELECT t.name, r.id, r.rid FROM resource r JOIN type t ON t.type = r.type")
        return {(type, id): rid for type, id, rid in rows}
