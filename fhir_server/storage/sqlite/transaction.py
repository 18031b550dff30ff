"""What a work may do inside the writer's transaction."""

from __future__ import annotations

import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Sequence

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Clock, SearchIndex, Write
from fhir_server.core.query import Clause, Page, Query
from fhir_server.core.values import SearchValue
from fhir_server.storage.sqlite import encode
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.reads import SqliteReads
from fhir_server.storage.sqlite.schema import ERASE, INDEX_TABLES, METHOD_NUMBER, METHODS

HEAD = """SELECT r.rid, r.version, r.live, r.seq, v.updated, v.method, v.body
FROM resource r LEFT JOIN version v ON v.seq = r.seq WHERE r.type = ? AND r.id = ?"""
NEWEST = f"SELECT seq FROM version WHERE type = ? AND method <> {ERASE} ORDER BY seq DESC LIMIT 1"
INSERT_RESOURCE = "INSERT INTO resource (type, id, seq, version, live) VALUES (?, ?, ?, ?, ?)"
UPDATE_RESOURCE = "UPDATE resource SET seq = ?, version = ?, live = ? WHERE rid = ?"
INSERT_VERSION = "INSERT INTO version (seq, rid, version, type, updated, method, body) VALUES (?, ?, ?, ?, ?, ?, ?)"


class FlushedIndex:
    """The index as a work sees it: with the values that the work has put but that are still gathered."""

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


class SqliteTransaction:
    """The `Transaction` port on the writer's connection; one object serves all works, one at a time.

    Index rows are gathered and written together when the work ends or asks a question of the index.
    """

    def __init__(self, connection: sqlite3.Connection, known: Dictionaries, index: SearchIndex, clock: Clock) -> None:
        self.reads = SqliteReads(connection, known)
        self.index = FlushedIndex(index, self._flush)
        self._connection = connection
        self.execute = connection.execute
        self.known = known
        self._clock = clock
        self._seq = 0
        self._updated = 0
        self._live: dict[int, int] = defaultdict(int)
        self._pending: encode.Rows = defaultdict(list)
        self._heads: dict[tuple[str, str], tuple[int, int, int]] = {}
        self._newest: dict[str, int] = {}
        self._before: tuple = ()

    # ------------------------------------------------------------------ for the writer
    def open_group(self) -> None:
        """After BEGIN: where the feed stands."""
        row = self.execute("SELECT seq, updated FROM version ORDER BY seq DESC LIMIT 1").fetchone()
        self._seq, self._updated = row if row else (0, 0)
        self._live.clear()
        self._newest.clear()
        self._pending.clear()  # what a group that SQLite itself rolled back has left
        self.known.follow_epoch()

    def start(self) -> None:
        """Before a work."""
        self.execute("SAVEPOINT work")
        self._before = (self._seq, self._updated, dict(self._live), self.known.mark())
        self._heads.clear()

    def finish(self) -> None:
        """After a work that went well."""
        self._flush()
        self.execute("RELEASE work")

    def undo(self) -> None:
        """After a work that failed: as if it had not been."""
        self.execute("ROLLBACK TO work")
        self.execute("RELEASE work")
        self._seq, self._updated, live, mark = self._before
        self._live = defaultdict(int, live)
        self._newest.clear()
        self.known.back_to(mark)
        self._pending.clear()

    def close_group(self) -> None:
        """Before COMMIT."""
        for type_id, change in self._live.items():
            if change:
                self.execute("UPDATE type SET live = live + ? WHERE type = ?", (change, type_id))

    # ------------------------------------------------------------------ the port
    def now(self) -> int:
        """The moment of the next version: now in milliseconds, and never before the feed's newest."""
        return max(self._clock() // 1000 * 1000, self._updated)

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, a deletion too."""
        type_id = self.known.find_type(type)
        row = self.execute(HEAD, (type_id, id)).fetchone() if type_id else None
        if row is None:
            return None
        rid, version, live, seq, updated, method, body = row
        self._heads[(type, id)] = (rid, version, live)
        return StoredVersion(type, id, version, seq, updated, METHODS[method], body) if version else None

    async def newest(self, type: str) -> int:
        """The position of the newest version of a type; asked for by every write, so it is kept for the group."""
        found = self._newest.get(type)
        if found is None:
            row = self.execute(NEWEST, (self.known.find_type(type),)).fetchone()
            found = self._newest[type] = row[0] if row else 0
        return found

    async def matches(self, type: str, where: Clause, limit: int = 2) -> list[StoredVersion]:
        """Current resources for which the clause holds."""
        return (await self.index.search(Query((type,), where, count=limit))).matches

    async def put(self, write: Write) -> StoredVersion:
        """Stores a version and replaces the index values."""
        type, id, version, updated, method, body, values = write
        live = 1 if body else 0
        type_id = self.known.keep_type(type)
        head = self._heads.get((type, id))
        if head is None and version > 1:
            await self.read(type, id)
            head = self._heads.get((type, id))
        seq = self._seq + 1
        rid = self._new_row(type, id, type_id, seq, live) if head is None and version == 1 else None
        was_live = 0
        if rid is None:
            if head is None:
                await self.read(type, id)
                head = self._heads[(type, id)]
            rid, newest, was_live = head
            if version != newest + 1:
                raise error("conflict", f"{type}/{id} is at version {newest}; version {version} can't follow it.")
            self.execute(UPDATE_RESOURCE, (seq, version, live, rid))
        self.execute(INSERT_VERSION, (seq, rid, version, type_id, updated, METHOD_NUMBER[method], body))
        self._heads[(type, id)] = (rid, version, live)
        self._seq, self._updated = seq, updated
        if type in self._newest:
            self._newest[type] = seq
        self._live[type_id] += live - was_live
        self.replace_index(type, rid, values, was_live)
        return StoredVersion(type, id, version, seq, updated, method, body)

    async def reindex(self, type: str, id: str, values: Sequence[SearchValue]) -> None:
        """Replaces the index values of a current resource."""
        rid = self.known.find_rid(type, id)
        if rid is not None:
            self.replace_index(type, rid, values, 1)

    async def erase(self, type: str, id: str) -> int:
        """Removes all versions and index values; terms and texts that only this resource used go too."""
        stored = await self.read(type, id)
        head = self._heads.get((type, id))
        if head is None or stored is None:
            return 0
        self._flush()
        rid, _, live = head
        type_id = self.known.keep_type(type)
        terms = [row[0] for row in self.execute("SELECT DISTINCT term FROM token WHERE rid = ?", (rid,))]
        self.replace_index(type, rid, (), 1)
        self._flush()
        self.execute("PRAGMA secure_delete = ON")  # overwrites what it frees
        erased = self.execute("DELETE FROM version WHERE rid = ?", (rid,)).rowcount
        self.execute("PRAGMA secure_delete = OFF")
        self.execute("UPDATE resource SET seq = 0, version = 0, live = 0 WHERE rid = ?", (rid,))
        self._live[type_id] -= live
        self._seq += 1
        self._newest.clear()
        self._updated = self.now()
        self.execute(INSERT_VERSION, (self._seq, rid, -self._seq, type_id, self._updated, ERASE, b""))
        self._forget_terms(terms)
        self._heads.clear()
        return erased

    async def referring(self, type: str, id: str, limit: int = 1) -> list[tuple[str, str]]:
        """Current resources that refer to this one."""
        self._flush()
        rid = self.known.find_rid(type, id)
        found = self.execute(
            "SELECT t.name, r.id FROM field f CROSS JOIN reference x ON x.field = f.field AND x.target = ? "
            "CROSS JOIN resource r ON r.rid = x.rid AND r.rid <> x.target JOIN type t ON t.type = r.type LIMIT ?",
            (rid, limit),
        )
        return found.fetchall()

    def advance(self, consumer: str, position: int) -> None:
        """Keeps a consumer's position; only a rebuild (0) moves it back."""
        self.execute(
            "INSERT INTO consumer VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = "
            "CASE WHEN excluded.position = 0 THEN 0 ELSE max(position, excluded.position) END",
            (consumer, position),
        )

    def lease(self, consumer: str, owner: str, until: int) -> bool:
        """Takes or renews a consumer's lease unless another's has not run out; microseconds since 1970 UTC."""
        name = f"lease:{consumer}"
        row = self.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        if row is not None:
            holder, _, ends = row[0].rpartition(" ")
            if holder != owner and int(ends) > self._clock():
                return False
        self.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, f"{owner} {until}"))
        return True

    # ------------------------------------------------------------------ inside
    def _new_row(self, type: str, id: str, type_id: int, seq: int, live: int) -> int | None:
        """A row for a resource that never was; None where there is one already, be it only referred to."""
        try:
            rid = self.execute(INSERT_RESOURCE, (type_id, id, seq, 1, live)).lastrowid
        except sqlite3.IntegrityError:
            return None
        assert rid is not None
        self.known.know_rid(type, id, rid)
        return rid

    def replace_index(self, type: str, rid: int, values: Sequence[SearchValue], was_live: int = 1) -> None:
        """Writes the index rows of a resource; was_live 0 where it can't have any yet."""
        rows, narrative = encode.encode(type, rid, values, self.known)
        if was_live:
            self._flush()
            for table in INDEX_TABLES:
                old = set(self.execute(encode.SELECT[table], (rid,)))
                new = set(rows.get(table, ()))
                if old != new:
                    self._connection.executemany(encode.DELETE[table], old - new)
                    self._connection.executemany(encode.INSERT[table], new - old)
            if self.execute("SELECT 1 FROM narrative_docsize WHERE id = ?", (rid,)).fetchone():
                self.execute("DELETE FROM narrative WHERE rowid = ?", (rid,))
        else:
            for table, found in rows.items():
                self._pending[table] += found
        if narrative:
            self.execute("INSERT INTO narrative (rowid, text) VALUES (?, ?)", (rid, narrative))

    def _flush(self) -> None:
        if self._pending:
            for table, rows in self._pending.items():
                self._connection.executemany(encode.INSERT[table], rows)
            self._pending.clear()

    def _forget_terms(self, terms: list[int]) -> None:
        """Renames the terms that nothing uses any more, so that an erased identifier is nowhere in the file."""
        for term in terms:
            used = self.execute(
                "SELECT 1 FROM field f CROSS JOIN token t ON t.field = f.field AND t.term = ? LIMIT 1", (term,)
            ).fetchone()
            if used is None:
                self.execute("UPDATE term SET code = ? WHERE term = ?", (f"erased:{secrets.token_hex(8)}", term))
        self.known.forget_terms()
        self.execute("INSERT INTO meta VALUES ('epoch', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")
