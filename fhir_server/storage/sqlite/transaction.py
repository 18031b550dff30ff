"""What a work may do inside the writer's transaction."""

from __future__ import annotations

import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Clock, SearchIndex, Write
from fhir_server.core.query import Clause, Query
from fhir_server.core.side_thread import SideThread
from fhir_server.core.values import SearchValue
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.flushed import FlushedIndex, FlushedReads
from fhir_server.storage.sqlite.gathered import Gathered, Head, Valued
from fhir_server.storage.sqlite.schema import ERASE, METHOD_NUMBER, METHODS
from fhir_server.storage.sqlite.touched import Touched, token_of

HEAD = """SELECT r.rid, r.version, r.live, r.digests, r.seq, v.updated, v.method, v.body
FROM resource r LEFT JOIN version v ON v.seq = r.seq WHERE r.type = ? AND r.id = ?"""
NEWEST = f"SELECT seq FROM version WHERE type = ? AND method <> {ERASE} ORDER BY seq DESC LIMIT 1"
INSERT_ERASED = f"""INSERT INTO version (seq, rid, version, type, updated, method, body)
VALUES (?, ?, ?, ?, ?, {ERASE}, x'')"""
FULL = 4000  # rows gathered by a long work after which they are written beside the event loop
WIDE = 2000  # values of one resource from which it is written beside the event loop
LOOKED_EVERY = 8  # versions between two looks at how many rows are gathered
MERGE_NARRATIVES = "INSERT INTO narrative (narrative) VALUES ('optimize')"  # until then it keeps words of what went


class Kept(NamedTuple):
    """The head of a resource as this group sees it; version 0 where it is only referred to.

    digests: of the index rows it had before this group, None where it has others by now.
    """

    rid: int
    version: int
    live: int
    digests: bytes | None
    stored: StoredVersion | None


class SqliteTransaction:
    """The `Transaction` port on the writer's connection; one object serves all works, one at a time.

    What works put is gathered, and written together when the group ends or something has to be asked of the tables.
    Only then, and only if it has put something itself by then, a work needs a savepoint to be undone.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        known: Dictionaries,
        index: SearchIndex,
        clock: Clock,
        disk: SideThread,
    ) -> None:
        self.reads = FlushedReads(connection, known, self._flush)
        self.index = FlushedIndex(index, self._flush)
        self.known = known
        self._unflushed = index
        self._connection = connection
        self._execute = connection.execute
        self._clock = clock
        self._disk = disk
        self._origin, self._place = secrets.randbits(63), 0  # of the notes
        self._durable = 0  # the place of the last that was committed
        self._seq = 0
        self._updated = 0
        self._live: dict[int, int] = defaultdict(int)
        self._gathered = Gathered()
        self._touched = Touched()
        self._heads: dict[tuple[str, str], Kept] = {}
        self._newest: dict[str, int] = {}
        self._erased = False
        self._saved = False
        self._before: tuple = ()
        self._heads_before: list[tuple[tuple[str, str], Kept | None]] = []

    # ------------------------------------------------------------------ for the writer
    def open_group(self) -> None:
        """After BEGIN: where the feed stands."""
        row = self._execute("SELECT seq, updated FROM version ORDER BY seq DESC LIMIT 1").fetchone()
        self._seq, self._updated = row if row else (0, 0)
        self._live.clear()
        self._newest.clear()
        self._heads.clear()
        self._gathered.clear()  # what a group that failed has left
        if self._place != self._durable:  # whoever takes notes must not miss its places
            self._origin, self._place, self._durable = secrets.randbits(63), 0, 0
        self._touched.clear()
        self._erased = False
        self.known.begin()

    def start(self) -> None:
        """Before a work."""
        self._before = (
            self._seq, self._updated, self._place, dict(self._live), self.known.mark(), self._gathered.mark()
        )  # fmt: skip
        self._heads_before.clear()
        self._saved = False

    def finish(self) -> None:
        """After a work that went well."""
        if self._saved:
            self._execute("RELEASE work")
            self._saved = False

    def undo(self) -> None:
        """After a work that failed: as if it had not been."""
        self._seq, self._updated, self._place, live, known, gathered = self._before
        if self._saved:
            self._execute("ROLLBACK TO work")
            self._execute("RELEASE work")
            self._saved = False
            self._gathered.clear()
        else:
            self._gathered.back_to(gathered)
        for key, before in reversed(self._heads_before):
            if before is None:
                self._heads.pop(key, None)
            else:
                self._heads[key] = before
        self._live = defaultdict(int, live)
        self._newest.clear()
        self.known.back_to(known)

    def commit(self) -> None:
        """Writes what is gathered, and makes the group durable: on the thread for the disk, beside the event loop."""
        for type_id, change in self._live.items():
            if change:
                self._execute("UPDATE type SET live = live + ? WHERE type = ?", (change, type_id))
        self._gathered.write(self._connection, self.known)
        if self._erased:
            self._execute(MERGE_NARRATIVES)
        self._execute("COMMIT")
        self._durable = self._place

    # ------------------------------------------------------------------ the port
    def now(self) -> int:
        """The moment of the next version: now in milliseconds, and never before the feed's newest."""
        return max(self._clock() // 1000 * 1000, self._updated)

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, a deletion too."""
        head = self._head(type, id)
        return head.stored if head else None

    async def prefetch(self, keys: Iterable[tuple[str, str]]) -> None:
        """Nothing: looking each up costs what looking all up would."""

    def _head(self, type: str, id: str) -> Kept | None:
        head = self._heads.get((type, id))
        if head is None:
            type_id = self.known.find_type(type)
            row = self._execute(HEAD, (type_id, id)).fetchone() if type_id else None
            if row is None:
                return None
            rid, version, live, digests, seq, updated, method, body = row
            stored = StoredVersion(type, id, version, seq, updated, METHODS[method], body) if version else None
            self._keep((type, id), head := Kept(rid, version, live, digests, stored))
        return head

    def _keep(self, key: tuple[str, str], head: Kept) -> None:
        self._heads_before.append((key, self._heads.get(key)))
        self._heads[key] = head

    async def newest(self, type: str) -> int:
        """The position of the newest version of a type; asked for by every write, so it is kept for the group."""
        found = self._newest.get(type)
        if found is None:
            self._flush()
            row = self._execute(NEWEST, (self.known.find_type(type),)).fetchone()
            found = self._newest[type] = row[0] if row else 0
        return found

    async def matches(self, type: str, where: Clause, limit: int = 2) -> list[StoredVersion]:
        """Current resources for which the clause holds; nothing is written first where nothing put can hold for it."""
        query = Query((type,), where, count=limit)
        if not self._touched.may_matter(where):
            found = (await self._unflushed.search(query)).matches
            if not any(self._touched.has(version.type, version.id) for version in found):
                return found
        return (await self.index.search(query)).matches

    async def matches_each(self, asked: Sequence[tuple[str, Clause]]) -> list[list[StoredVersion]]:
        """The same for each; one that asks for a token which no resource has is answered by a look for all of them."""
        known, touched = self.known, self._touched
        tokens = [token_of(where) for _, where in asked]
        known.look_up_terms([token for token in tokens if token])
        return [
            []
            if token and known.find_term(*token) is None and not touched.may_matter(where)
            else await self.matches(type, where)
            for (type, where), token in zip(asked, tokens, strict=True)
        ]

    async def put(self, write: Write) -> StoredVersion:
        """Stores a version and replaces the index values."""
        type, id, version, updated, method, body, values, fresh = write
        live = 1 if body else 0
        type_id = self.known.keep_type(type)
        head = None if fresh and not self.known.has_place(type, id) else self._head(type, id)
        newest, was_live = (head.version, head.live) if head else (0, 0)
        if version != newest + 1:
            raise error("conflict", f"{type}/{id} is at version {newest}; version {version} can't follow it.")
        seq = self._seq + 1
        gathered = self._gathered
        rid = head.rid if head else self.known.new_rid(type, id)
        replaces = bool(was_live) or self._touched.has(type, id)
        gathered.valued.append(Valued(type, rid, values, replaces, head.digests if head else None))
        if head is None:
            gathered.new.append((rid, type_id, id, seq, version, live))
        else:
            gathered.next.append(Head(rid, type_id, id, seq, version, live, live != was_live))
        gathered.versions.append((seq, rid, version, type_id, updated, METHOD_NUMBER[method], body))
        gathered.bytes += len(body)
        self._seq, self._updated = seq, updated
        if type in self._newest:
            self._newest[type] = seq
        self._live[type_id] += live - was_live
        self._touched.add(type, id, values)
        stored = StoredVersion(type, id, version, seq, updated, method, body)
        self._keep((type, id), Kept(rid, version, live, None, stored))
        if len(values) > WIDE or (len(gathered.versions) % LOOKED_EVERY == 0 and gathered.size > FULL):
            self._save()
            await self._disk.run(self._gathered.write, self._connection, self.known)
        return stored

    async def reindex(self, type: str, id: str, values: Sequence[SearchValue]) -> None:
        """Replaces the index values of a current resource, whatever they are now."""
        head = self._head(type, id)
        if head is None or head.stored is None:
            return
        self._gathered.valued.append(Valued(type, head.rid, values, True, None))
        type_id = self.known.keep_type(type)
        self._gathered.next.append(Head(head.rid, type_id, id, head.stored.seq, head.version, head.live, turns=False))
        self._keep((type, id), head._replace(digests=None))

    async def erase(self, type: str, id: str) -> int:
        """Removes all versions and index values; terms and texts that only this resource used go too."""
        head = self._head(type, id)
        if head is None or head.stored is None:
            return 0
        rid, live = head.rid, head.live
        self._erased = True
        self._flush()
        type_id = self.known.keep_type(type)
        terms = [row[0] for row in self.execute("SELECT DISTINCT term FROM token WHERE rid = ?", (rid,))]
        self._gathered.valued.append(Valued(type, rid, (), True, None))
        erased = self.execute("DELETE FROM version WHERE rid = ?", (rid,)).rowcount
        self.execute("UPDATE resource SET seq = 0, version = 0, live = 0, digests = NULL WHERE rid = ?", (rid,))
        self._live[type_id] -= live
        self._seq += 1
        self._newest.clear()
        self._updated = self.now()
        self.execute(INSERT_ERASED, (self._seq, rid, -self._seq, type_id, self._updated))
        self._forget_terms(terms)
        self._keep((type, id), Kept(rid, 0, 0, None, None))
        return erased

    def note(self, data: bytes) -> None:
        """Commits bytes with what the work writes; the place of one that is undone is the next one's."""
        self._place += 1
        self._gathered.notes.append((self._origin, self._place, data))

    async def referring(self, type: str, id: str, limit: int = 1) -> list[tuple[str, str]]:
        """Current resources that refer to this one."""
        self._flush()
        rid = self.known.find_rid(type, id)
        found = self._execute(
            "SELECT t.name, r.id FROM field f CROSS JOIN reference x ON x.field = f.field AND x.target = ? "
            "AND x.version = '' CROSS JOIN resource r ON r.rid = x.rid AND r.rid <> x.target "
            "JOIN type t ON t.type = r.type LIMIT ?",
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
    def execute(self, sql: str, bound: Sequence[Any] = ()) -> sqlite3.Cursor:
        """A statement of its own, after all that has been put so far; undone with the work."""
        self._flush()
        self._save()
        return self._execute(sql, bound)

    def _save(self) -> None:
        """A savepoint before what this work has put; what others have put is written before it."""
        if not self._saved:
            own = self._gathered.since(self._before[-1])
            self._gathered.write(self._connection, self.known)
            self._execute("SAVEPOINT work")
            self._saved = True
            self._gathered.take(own)

    def _flush(self) -> None:
        """Writes what is gathered, so that the tables answer."""
        if self._gathered:
            self._save()
            self._gathered.write(self._connection, self.known)

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
