"""Reading versions over one connection: the event loop's own, or the writer's inside a transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import HistoryPage
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.failures import storage_error
from fhir_server.storage.sqlite.schema import DELETE, ERASE, METHODS, PUT

READ = """SELECT v.version, v.seq, v.updated, v.method, v.body
FROM resource r JOIN version v ON v.seq = r.seq WHERE r.type = ? AND r.id = ?"""
READ_VERSION = """SELECT v.version, v.seq, v.updated, v.method, v.body
FROM resource r JOIN version v ON v.rid = r.rid AND v.version = ? WHERE r.type = ? AND r.id = ?"""
RID = "SELECT rid FROM resource WHERE type = ? AND id = ?"
HISTORY = """SELECT t.name, r.id, v.version, v.seq, v.updated, v.method, v.body,
v.method = {put} AND v.version > 1 AND EXISTS (
SELECT 1 FROM version d WHERE d.rid = v.rid AND d.version = v.version - 1 AND d.method = {delete})
FROM version v CROSS JOIN resource r ON r.rid = v.rid CROSS JOIN type t ON t.type = v.type
WHERE {where} ORDER BY {order} DESC LIMIT ?"""
AMONG = """(v.rid, v.version) IN (SELECT n.rid, n.version FROM json_each(?) j CROSS JOIN version n
ON n.rid = j.value ->> 0 AND j.value ->> 1 IN ('', CAST(n.version AS TEXT)))"""


class SqliteReads:
    """The `ResourceReads` port."""

    immediate = True

    def __init__(self, connection: sqlite3.Connection, known: Dictionaries) -> None:
        self.known = known
        self._connection = connection

    def _execute(self, sql: str, bound: Sequence[Any] = ()) -> sqlite3.Cursor:
        try:
            return self._connection.execute(sql, bound)
        except sqlite3.Error as problem:
            raise storage_error(problem) from problem

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, a deletion too."""
        row = self._execute(READ, (self.known.find_type(type), id)).fetchone()
        return StoredVersion(type, id, row[0], row[1], row[2], METHODS[row[3]], row[4]) if row else None

    async def read_many(self, keys: Iterable[tuple[str, str]]) -> list[StoredVersion | None]:
        """The newest version of each."""
        return [await self.read(type, id) for type, id in keys]

    async def read_version(self, type: str, id: str, version: int) -> StoredVersion | None:
        """That very version."""
        row = self._execute(READ_VERSION, (version, self.known.find_type(type), id)).fetchone()
        return StoredVersion(type, id, row[0], row[1], row[2], METHODS[row[3]], row[4]) if row else None

    async def read_versions(self, keys: Iterable[tuple[str, str, int]]) -> list[StoredVersion | None]:
        """Each of these versions."""
        return [await self.read_version(*key) for key in keys]

    async def mentions(self, reference: str) -> list[tuple[str, str]]:
        """Resources some version of which has this text as a JSON string; looks through everything."""
        quoted = f'"{reference}"'.encode()
        rows = self._execute(
            "SELECT DISTINCT t.name, r.id FROM version v CROSS JOIN resource r ON r.rid = v.rid "
            "CROSS JOIN type t ON t.type = r.type WHERE instr(v.body, ?) > 0",
            (quoted,),
        )
        return rows.fetchall()

    async def history(
        self,
        type: str = "",
        id: str = "",
        *,
        since: int | None = None,
        at: tuple[int, int] | None = None,
        among: Sequence[tuple[str, str, str]] | None = None,
        cursor: str = "",
        count: int = 20,
    ) -> HistoryPage:
        """Versions newest first; the cursor is the position of the last one given."""
        if id:
            # by number, as the index has a resource's versions; what tells of its erasure has a negative one
            where, order = [f"v.rid = ({RID}) AND v.version > 0"], "v.version"
            bound: list[Any] = [self.known.find_type(type), id]
        else:
            where, order = ["v.method <> ?"], "v.seq"
            bound = [ERASE]
            if type:
                where.append("v.type = ?")
                bound.append(self.known.find_type(type))
        if since is not None:
            where.append("v.updated >= ?")
            bound.append(since)
        if at is not None:
            # current at some time in the span: stored before its end and not replaced before its start
            where.append(
                "v.updated <= ? AND NOT EXISTS (SELECT 1 FROM version n WHERE n.rid = v.rid "
                "AND n.version = v.version + 1 AND n.updated <= ?)"
            )
            bound += [at[1], at[0]]
        if among is not None:
            where.append(AMONG)
            bound.append(json.dumps([[self.known.find_rid(*key[:2]), key[2]] for key in among]))
        whole = condition = " AND ".join(where)
        of_all = tuple(bound)
        if cursor:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
                raise error("value", "This _cursor was not given by this server; start again without it.")
            condition += " AND v.seq < ?"
            bound.append(int(cursor))
        asked = HISTORY.format(put=PUT, delete=DELETE, where=condition, order=order)
        rows = self._execute(asked, (*bound, count + 1)).fetchall() if count else []
        versions = [
            StoredVersion(type, id, number, seq, updated, METHODS[method], body)
            for type, id, number, seq, updated, method, body, _ in rows[:count]
        ]
        renewed = frozenset(row[3] for row in rows[:count] if row[7])
        more = len(rows) > count
        total = None
        if not (more or cursor or not count):
            total = len(versions)
        elif id:
            total = self._execute(f"SELECT count(*) FROM version v WHERE {whole}", of_all).fetchone()[0]
        return HistoryPage(versions, str(versions[-1].seq) if more else "", total, renewed)
