"""What the works of a group have put and is not in the tables yet: written for the whole group by few statements.

A row by a statement of its own costs more in Python and in looks at locks than in the tree; and a work of which only
this is there is undone by forgetting it, without a savepoint, for which SQLite copies every page it touches.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain
from typing import NamedTuple

import msgspec

from fhir_server.core.values import SearchValue
from fhir_server.storage.sqlite import encode
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.schema import INDEX_TABLES

SIZES = (*range(1, 13), 16, 20, 24, 32, 40, 48, 64, 80, 96, 128)  # rows in one statement, so that few are ever prepared

NEW = ("rid", "type", "id", "seq", "version", "live", "digests")
TERM = ("term", "code", "system")
VERSION = ("seq", "rid", "version", "type", "updated", "method", "body")
NOTE = ("origin", "place", "data")
NEXT = "ON CONFLICT (rid) DO UPDATE SET seq = excluded.seq, version = excluded.version, digests = excluded.digests"
TURNED = f"{NEXT}, live = excluded.live"  # apart, as it touches the index of live resources
TOLD = "SELECT id FROM narrative_docsize WHERE id IN (SELECT value FROM json_each(?))"


class Head(NamedTuple):
    """A row of resource as it is to be, but for the digests; turns: it was live and is no more, or the other way."""

    rid: int
    type: int
    id: str
    seq: int
    version: int
    live: int
    turns: bool


class Valued(NamedTuple):
    """The values that a resource is to be found by; replaces: it may have index rows of former ones.

    before: the digests of those, None where they are not known.
    """

    type: str
    rid: int
    values: Sequence[SearchValue]
    replaces: bool
    before: bytes | None


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
    """What was put in one group, in the order in which it was."""

    def __init__(self) -> None:
        self.new: list[tuple] = []  # rows of resource but for the digests, of what has none there
        self.next: list[Head] = []
        self.versions: list[tuple] = []
        self.valued: list[Valued] = []  # of each that is new or next
        self.notes: list[tuple[int, int, bytes]] = []
        self.bytes = 0  # of the versions' bodies
        self._lists: tuple[list, ...] = (self.new, self.next, self.versions, self.valued, self.notes)

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return any(self._lists)

    @property
    def size(self) -> int:
        """How many rows of index tables there will be, about, and pages of bodies."""
        return sum([len(valued.values) for valued in self.valued]) + self.bytes // 4096

    # ------------------------------------------------------------------ undoing
    def mark(self) -> list[int]:
        """A point to go back to."""
        return [len(rows) for rows in self._lists]

    def back_to(self, mark: Sequence[int]) -> None:
        """Forgets what was gathered since."""
        for rows, length in zip(self._lists, mark, strict=True):
            del rows[length:]

    def since(self, mark: Sequence[int]) -> Gathered:
        """Takes away what was gathered since, to be written after the rest."""
        taken = Gathered()
        for rows, later, length in zip(self._lists, taken._lists, mark, strict=True):
            later += rows[length:]
            del rows[length:]
        taken.bytes = sum(len(row[-1]) for row in taken.versions)
        return taken

    def take(self, others: Gathered) -> None:
        """Adds what others has."""
        for rows, more in zip(self._lists, others._lists, strict=True):
            rows += more
        self.bytes += others.bytes

    def clear(self) -> None:
        """Forgets all."""
        for rows in self._lists:
            rows.clear()
        self.bytes = 0

    # ------------------------------------------------------------------ writing
    def write(self, connection: sqlite3.Connection, known: Dictionaries) -> None:
        """Puts everything into the tables, and the terms that are new in it."""
        rows, narratives, digests = self._indexed(connection, known)
        insert(connection, "term", TERM, known.unwritten_terms())
        last: dict[int, Head] = {}
        turned = set()
        for head in self.next:
            last[head.rid] = head
            if head.turns:
                turned.add(head.rid)
        heads = [(*head[:6], digests[head.rid]) for head in last.values()]
        insert(connection, "resource", NEW, [(*new, digests[new[0]]) for new in self.new])
        insert(connection, "resource", NEW, [head for head in heads if head[0] not in turned], NEXT)
        insert(connection, "resource", NEW, [head for head in heads if head[0] in turned], TURNED)
        insert(connection, "version", VERSION, self.versions)
        insert(connection, "note", NOTE, self.notes)
        for table, found in rows.items():
            insert(connection, table, encode.COLUMNS[table], found, encode.REPEATED)
        connection.executemany("INSERT INTO narrative (rowid, text) VALUES (?, ?)", narratives)
        self.clear()

    def _indexed(
        self, connection: sqlite3.Connection, known: Dictionaries
    ) -> tuple[encode.Rows, list[tuple[int, str]], dict[int, bytes]]:
        """Index rows by table and narratives that are to be added, those they replace being deleted; digests by rid."""
        last: dict[int, Valued] = {}
        for valued in self.valued:
            first = last.get(valued.rid, valued)
            last[valued.rid] = valued._replace(replaces=first.replaces, before=first.before)
        known.look_up_terms(chain.from_iterable(encode.terms(valued.values) for valued in last.values()))
        added: encode.Rows = {table: [] for table in INDEX_TABLES}
        narratives: list[tuple[int, str]] = []
        changes: list[Change] = []
        digests: dict[int, bytes] = {}
        for type, rid, values, replaces, before in last.values():
            rows, narrative = encode.encode(type, rid, values, known)
            digests[rid] = after = encode.digests(rows, narrative)
            if replaces:
                changes.append(Change(rid, rows, narrative, before, after))
                continue
            for table, found in rows.items():
                added[table] += found
            if narrative:
                narratives.append((rid, narrative))
        for place, table in enumerate(INDEX_TABLES):
            differing = [change for change in changes if change.differs(place)]
            if differing:
                old = set(connection.execute(encode.SELECT[table], (_rids(differing),)))
                new = {row for change in differing for row in change.rows.get(table, ())}
                connection.executemany(encode.DELETE[table], old - new)
                added[table] += new - old
        differing = [change for change in changes if change.differs(encode.NARRATIVE_DIGEST)]
        if differing:
            told = connection.execute(TOLD, (_rids(differing),)).fetchall()
            connection.executemany("DELETE FROM narrative WHERE rowid = ?", told)
            narratives += [(change.rid, change.narrative) for change in differing if change.narrative]
        return added, narratives, digests


def insert(
    connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: list, otherwise: str = ""
) -> None:
    """Inserts rows; otherwise: the clause ON CONFLICT. Where rows may be repeated the last is, up to the next size."""
    at = 0
    while at < len(rows):
        some = rows[at : at + SIZES[-1]]
        place = bisect_left(SIZES, len(some))
        if SIZES[place] > len(some):
            if otherwise == encode.REPEATED:
                some += [some[-1]] * (SIZES[place] - len(some))
            else:
                del some[SIZES[place - 1] :]
        bound: Iterable = chain.from_iterable(some)
        connection.execute(_statement(table, columns, len(some), otherwise), tuple(bound))
        at += len(some)


def _rids(changes: list[Change]) -> str:
    return msgspec.json.encode([change.rid for change in changes]).decode()


@cache
def _statement(table: str, columns: tuple[str, ...], size: int, otherwise: str) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES {', '.join([row] * size)} {otherwise}"
