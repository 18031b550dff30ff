"""Index and reads as a work sees them: with what it has put, which is written to the tables before they answer."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from fhir_server.core.ports import SearchIndex
from fhir_server.core.query import Clause, Page, Query
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.reads import SqliteReads


class FlushedIndex:
    """The `SearchIndex` port."""

    def __init__(self, index: SearchIndex, flush: Callable[[], None]) -> None:
        self._index = index
        self._flush = flush

    async def search(self, query: Query) -> Page:
        """One page of a query."""
        self._flush()
        return await self._index.search(query)

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many resources the clause holds for."""
        self._flush()
        return await self._index.count(types, where)

    async def counts(self) -> dict[str, int]:
        """How many resources there are of each type."""
        return await self._index.counts()

    async def close(self) -> None:
        """Lets go of what the index holds."""
        await self._index.close()


class FlushedReads(SqliteReads):
    """The `ResourceReads` port."""

    def __init__(self, connection: sqlite3.Connection, known: Dictionaries, flush: Callable[[], None]) -> None:
        super().__init__(connection, known)
        self._flush = flush

    def _execute(self, sql: str, bound: Sequence[Any] = ()) -> sqlite3.Cursor:
        self._flush()
        return super()._execute(sql, bound)
