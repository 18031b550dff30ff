"""The embedded `SearchIndex`: queries over the index tables.

A search runs on the event loop's thread, where it costs least, for as long as it is quick. What is not done after a few
milliseconds starts again on a thread and a connection of its own, and is given up after time_limit.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TypeVar

from fhir_server.core.errors import error
from fhir_server.core.ports import UnitConverter
from fhir_server.core.query import Clause, Page, Query, TokenIs
from fhir_server.storage.sqlite.database import connect
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.failures import storage_error
from fhir_server.storage.sqlite.log_index import log_state
from fhir_server.storage.sqlite.search.compile import scope_of
from fhir_server.storage.sqlite.search.counting import count
from fhir_server.storage.sqlite.search.functions import register
from fhir_server.storage.sqlite.search.one_token import of_one_token
from fhir_server.storage.sqlite.search.pages import page
from fhir_server.storage.sqlite.search.reader import Limit, OutOfTime, Reader, too_complex
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.units import UnitTable

T = TypeVar("T")

QUICK = Limit(0.05, 200, waited_for=True)  # for a search that holds up the event loop: some ten milliseconds of work
IN_TRANSACTION = 5.0  # seconds, where it has to as it sees what a transaction has written
THREADS = 2  # long searches at one time


class SqliteSearchIndex:
    """The `SearchIndex` port over one connection, the event loop's reader or the writer's inside a transaction.

    converter: between units of quantities; time_limit: seconds for one search; cache_mb: of a long search's connection.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        known: Dictionaries,
        converter: UnitConverter | None = None,
        *,
        time_limit: float = 30.0,
        cache_mb: int = 8,
    ) -> None:
        register(connection, converter)
        self._connection = connection
        self._path = connection.execute("PRAGMA database_list").fetchone()[2]
        self._reader = Reader(connection, known, log_state(Path(self._path)) if self._path else None)
        self._converter = converter
        self._units = UnitTable(converter)
        self._time_limit = time_limit
        self._cache_mb = cache_mb
        self._threads = ThreadPoolExecutor(THREADS, "search")
        self._idle: SimpleQueue[tuple[Reader, UnitTable]] = SimpleQueue()

    async def search(self, query: Query) -> Page:
        """One page of a query with what it includes."""
        if query.where.__class__ is TokenIs and not self._connection.in_transaction:
            try:
                first = self._reader.unmoved(lambda: of_one_token(query, self._reader))
            except sqlite3.Error as problem:
                raise storage_error(problem) from problem
            if first is not None:
                return first
        return await self._run(query.types, lambda scope: page(query, scope))

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many current resources of these types the clause holds for, exactly."""
        return await self._run(types, lambda scope: count(scope, scope.compile(where)))

    async def counts(self) -> dict[str, int]:
        """How many current resources there are of each type that has some."""
        return dict(self._connection.execute("SELECT name, live FROM type WHERE live > 0 ORDER BY name").fetchall())

    async def close(self) -> None:
        """Ends the threads and closes their connections."""
        self._threads.shutdown()
        while not self._idle.empty():
            self._idle.get()[0].close()
        self._reader.leave()

    async def _run(self, types: Sequence[str], work: Callable[[Scope], T]) -> T:
        if self._connection.in_transaction or not self._path:
            # what the writer sees may still be undone, so its units are read anew
            limit = Limit(min(IN_TRANSACTION, self._time_limit))
            return _to_the_end(self._reader, UnitTable(self._converter), types, work, limit)
        try:
            return _within(self._reader, self._units, types, work, QUICK)
        except OutOfTime:
            return await asyncio.get_running_loop().run_in_executor(self._threads, self._beside, types, work)

    def _beside(self, types: Sequence[str], work: Callable[[Scope], T]) -> T:
        try:
            reader, units = self._idle.get_nowait()
        except Empty:
            reader, units = self._another()
        try:
            return _to_the_end(reader, units, types, work, Limit(self._time_limit))
        finally:
            self._idle.put((reader, units))

    def _another(self) -> tuple[Reader, UnitTable]:
        connection = connect(Path(self._path), cache_mb=self._cache_mb, read_only=True)
        register(connection, self._converter)
        reader = Reader(connection, Dictionaries(connection), experience=self._reader.experience)
        return reader, UnitTable(self._converter)


def _to_the_end(reader: Reader, units: UnitTable, types: Sequence[str], work: Callable[[Scope], T], limit: Limit) -> T:
    try:
        return _within(reader, units, types, work, limit)
    except OutOfTime:
        raise error(
            "too-costly",
            f"This search was given up after {limit.seconds:g} seconds; "
            "narrow it by a parameter that fewer resources match.",
        ) from None


def _within(
    reader: Reader,
    units: UnitTable,
    types: Sequence[str],
    work: Callable[[Scope], T],
    limit: Limit,
) -> T:
    try:
        return reader.within(limit, lambda: work(scope_of(reader, units, types)))
    except RecursionError:
        raise too_complex() from None
    except sqlite3.Error as problem:
        raise storage_error(problem) from problem
