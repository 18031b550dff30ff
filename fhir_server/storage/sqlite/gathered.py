"""What the works of a group have put and is not in the tables yet: written for the whole group by few statements.

A row by a statement of its own costs more in Python and in looks at locks than in the tree; and a work whose rows are
only gathered is undone by forgetting them, without a savepoint, for which SQLite copies every page it touches.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

import msgspec

from fhir_server.storage.sqlite import encode
from fhir_server.storage.sqlite.schema import INDEX_TABLES

MOST_ROWS = 128  # in one statement; fewer by powers of two, so that few statements are ever prepared

NEW = ("rid", "type", "id", "seq", "version", "live", "digests")
TERM = ("term", "code", "system")
VERSION = ("seq", "rid", "version", "type", "updated", "method", "body")
NEXT = "ON CONFLICT (rid) DO UPDATE SET seq = excluded.seq, version = excluded.version, digests = excluded.digests"
TURNED = f"{NEXT}, live = excluded.live"  # apart, as it touches the index of live resources
TOLD = "SELECT id FROM narrative_docsize WHERE id IN (SELECT value FROM json_each(?))"


class Head(NamedTuple):
    """A row of resource as it is to be; turns: it was live and is no more, or the other way."""

    rid: int
    type: int
    id: str
    seq: int
    version: int
    live: int
    digests: bytes
    turns: bool


class Change(NamedTuple):
    """All index rows that a resource is to have instead of those it has; narrative "" for none.

    before, after: the digests of both; before None where it is not known what it has.
    """

    rid: int
    rows: encode.Rows
    narrative: str
    before: bytes | None
    after: bytes

    def differs(self, place: int) -> bool:
        """Whether it changes the table at this place of the digests."""
        at = slice(place * encode.DIGEST_SIZE, (place + 1) * encode.DIGEST_SIZE)
        return not self.before or self.before[at] != self.after[at]


class Gathered:
    """Rows of one group, in the order in which they were put."""

    def __init__(self) -> None:
        self._lists: dict[str, list] = {
            name: [] for name in ("new", "next", "version", "change", "narrative", "added", *INDEX_TABLES)
        }
        self.new: list[tuple] = self._lists["new"]  # of resource, for what has no row there
        self.next: list[Head] = self._lists["next"]
        self.versions: list[tuple] = self._lists["version"]
        self.changes: list[Change] = self._lists["change"]
        self.narratives: list[tuple[int, str]] = self._lists["narrative"]
        self._added: list[int] = self._lists["added"]  # those whose index rows are here and in no table
        self.bytes = 0  # of the versions' bodies

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return any(self._lists.values())

    @property
    def size(self) -> int:
        """How many rows of index tables there are, about, and pages of bodies."""
        return sum(len(self._lists[table]) for table in INDEX_TABLES) + 16 * len(self.changes) + self.bytes // 4096

    def add(self, rows: encode.Rows, rid: int, narrative: str) -> None:
        """The index rows of a resource that has none."""
        self._added.append(rid)
        for table, found in rows.items():
            self._lists[table] += found
        if narrative:
            self.narratives.append((rid, narrative))

    # ------------------------------------------------------------------ undoing
    def mark(self) -> list[int]:
        """A point to go back to."""
        return [len(rows) for rows in self._lists.values()]

    def back_to(self, mark: Sequence[int]) -> None:
        """Forgets what was gathered since."""
        for rows, length in zip(self._lists.values(), mark, strict=True):
            del rows[length:]

    def since(self, mark: Sequence[int]) -> Gathered:
        """Takes away what was gathered since, to be written after the rest."""
        taken = Gathered()
        for rows, later, length in zip(self._lists.values(), taken._lists.values(), mark, strict=True):
            later += rows[length:]
            del rows[length:]
        taken.bytes = sum(len(row[-1]) for row in taken.versions)
        return taken

    def take(self, others: Gathered) -> None:
        """Adds what others has."""
        for rows, more in zip(self._lists.values(), others._lists.values(), strict=True):
            rows += more
        self.bytes += others.bytes

    def clear(self) -> None:
        """Forgets all."""
        for rows in self._lists.values():
            rows.clear()
        self.bytes = 0

    # ------------------------------------------------------------------ writing
    def compare(self, connection: sqlite3.Connection) -> None:
        """Deletes what the changes replace, and leaves only those of their rows to be written that are new."""
        changes: dict[int, Change] = {}
        for change in self.changes:
            first = changes.get(change.rid, change)
            changes[change.rid] = change._replace(before=first.before)
        self.changes.clear()
        if not changes.keys().isdisjoint(self._added):
            self.write(connection)
        for place, table in enumerate(INDEX_TABLES):
            differing = [change for change in changes.values() if change.differs(place)]
            if differing:
                old = set(connection.execute(encode.SELECT[table], (_rids(differing),)))
                new = {row for change in differing for row in change.rows.get(table, ())}
                connection.executemany(encode.DELETE[table], old - new)
                self._lists[table] += new - old
        differing = [change for change in changes.values() if change.differs(encode.NARRATIVE_DIGEST)]
        if differing:
            told = connection.execute(TOLD, (_rids(differing),)).fetchall()
            connection.executemany("DELETE FROM narrative WHERE rowid = ?", told)
            self.narratives += [(change.rid, change.narrative) for change in differing if change.narrative]

    def write(self, connection: sqlite3.Connection) -> None:
        """Puts everything into the tables."""
        if self.changes:
            self.compare(connection)
        last: dict[int, Head] = {}
        turned = set()
        for head in self.next:
            last[head.rid] = head
            if head.turns:
                turned.add(head.rid)
        insert(connection, "resource", NEW, self.new)
        insert(connection, "resource", NEW, [head[:7] for head in last.values() if head.rid not in turned], NEXT)
        insert(connection, "resource", NEW, [head[:7] for head in last.values() if head.rid in turned], TURNED)
        insert(connection, "version", VERSION, self.versions)
        for table in INDEX_TABLES:
            insert(connection, table, encode.COLUMNS[table], self._lists[table], encode.REPEATED)
        connection.executemany("INSERT INTO narrative (rowid, text) VALUES (?, ?)", self.narratives)
        self.clear()


def insert(
    connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: list, otherwise: str = ""
) -> None:
    """Inserts rows; otherwise: the clause ON CONFLICT."""
    at = 0
    while at < len(rows):
        size = min(MOST_ROWS, 1 << (len(rows) - at).bit_length() - 1)
        bound: Iterable = chain.from_iterable(rows[at : at + size])
        connection.execute(_statement(table, columns, size, otherwise), tuple(bound))
        at += size


def _rids(changes: list[Change]) -> str:
    return msgspec.json.encode([change.rid for change in changes]).decode()


@cache
def _statement(table: str, columns: tuple[str, ...], size: int, otherwise: str) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * size)} {otherwise}"
