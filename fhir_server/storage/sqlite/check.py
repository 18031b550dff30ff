"""Is the store whole? Every current resource has its newest version, its index values and its place in the feed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec

from fhir_server.core.ports import Finding
from fhir_server.core.values import SearchValue
from fhir_server.storage.sqlite import encode
from fhir_server.storage.sqlite.schema import INDEX_TABLES
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.storage.sqlite.transaction import SqliteTransaction

PAGE = 200  # resources looked at in one transaction

RESOURCES = """SELECT r.rid, t.name, r.id, r.version, r.live, r.seq, v.version, v.body, length(v.body)
FROM resource r CROSS JOIN type t ON t.type = r.type LEFT JOIN version v ON v.seq = r.seq
WHERE r.rid > ? ORDER BY r.rid LIMIT ?"""
COUNTS = """SELECT t.name, t.live, (SELECT count(*) FROM resource r WHERE r.type = t.type AND r.live = 1) FROM type t"""
ORPHANS = "SELECT count(*) FROM {table} x LEFT JOIN resource r ON r.rid = x.rid WHERE r.live IS NOT 1"

FIELDS = "SELECT f.field, t.name, f.name FROM field f CROSS JOIN type t ON t.type = f.type"

Extract = Callable[[dict[str, Any]], list[SearchValue]]
Indexes = Callable[[str, str], bool]
Parse = Callable[[bytes], dict[str, Any]]


class StoreCheck:
    """Looks through the whole store page by page, beside live traffic; with repair, puts right what can be.

    indexes(type, field) tells whether a search parameter in force has the field; values that one has left which is
    not in force any more do no harm and are not looked at.
    """

    def __init__(self, store: SqliteStore, parse: Parse, extract: Extract, indexes: Indexes) -> None:
        self._store = store
        self._parse = parse
        self._extract = extract
        self._indexes = indexes
        self._left: frozenset[int] = frozenset()

    async def run(self, repair: bool = False) -> list[Finding]:
        """Everything that is not as it should be, [] for a whole store."""
        found: list[Finding] = []
        last = 0
        while True:

            async def work(transaction: SqliteTransaction, after: int = last) -> tuple[list[Finding], int]:
                return await self._page(transaction, after, repair)

            findings, reached = await self._store.commit_here(work)
            found += findings
            if reached == last:
                break
            last = reached

        async def whole(transaction: SqliteTransaction) -> list[Finding]:
            return [*self._file(transaction), *self._counts(transaction, repair), *self._orphans(transaction, repair)]

        return found + await self._store.commit_here(whole)

    async def _page(self, transaction: SqliteTransaction, after: int, repair: bool) -> tuple[list[Finding], int]:
        fields = transaction.execute(FIELDS).fetchall()
        self._left = frozenset(field for field, type, name in fields if not self._indexes(type, name))
        rows = transaction.execute(RESOURCES, (after, PAGE)).fetchall()
        found: list[Finding] = []
        for row in rows:
            found += [finding async for finding in self._resource(transaction, row, repair)]
        return found, rows[-1][0] if rows else after

    async def _resource(self, transaction: SqliteTransaction, row: tuple, repair: bool) -> AsyncIterator[Finding]:
        rid, type, id, version, live, seq, stored, body, size = row
        reference = f"{type}/{id}"
        if version == 0:
            if live or seq:
                yield Finding(reference, "it was never stored but is marked as stored", False)
            return
        if stored is None or stored != version:
            yield Finding(reference, f"version {version} is missing from the feed at position {seq}", False)
            return
        if bool(size) != bool(live):
            yield Finding(reference, "its newest version and its mark as deleted or not disagree", False)
            return
        if not live:
            return
        try:
            values = self._extract(self._parse(body))
        except (msgspec.MsgspecError, ValueError) as problem:
            yield Finding(reference, f"its stored bytes can't be read: {problem}", False)
            return
        rows, _ = encode.encode(type, rid, values, transaction.known)
        for table in INDEX_TABLES:
            kept = {row for row in transaction.execute(encode.SELECT[table], (rid,)) if row[0] not in self._left}
            if kept != set(rows.get(table, ())):
                if repair:
                    await transaction.reindex(type, id, values)
                yield Finding(reference, f"its index values in {table} are not those of its content", repair, True)
                return

    @staticmethod
    def _file(transaction: SqliteTransaction) -> Iterator[Finding]:
        for (line,) in transaction.execute("PRAGMA quick_check(20)"):
            if line != "ok":
                yield Finding("the file", line, False)

    @staticmethod
    def _counts(transaction: SqliteTransaction, repair: bool) -> Iterator[Finding]:
        for type, kept, counted in transaction.execute(COUNTS).fetchall():
            if kept != counted:
                if repair:
                    transaction.execute("UPDATE type SET live = ? WHERE name = ?", (counted, type))
                yield Finding(type, f"{counted} resources are stored, {kept} are counted", repair)

    @staticmethod
    def _orphans(transaction: SqliteTransaction, repair: bool) -> Iterator[Finding]:
        for table in INDEX_TABLES:
            number = transaction.execute(ORPHANS.format(table=table)).fetchone()[0]
            if number:
                if repair:
                    transaction.execute(
                        f"DELETE FROM {table} WHERE rid NOT IN (SELECT rid FROM resource WHERE live = 1)"
                    )
                yield Finding(table, f"{number} index values belong to no current resource", repair)
