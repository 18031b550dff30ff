"""Takes what is durable in journals and in the store's notes into the log, each event once."""

from __future__ import annotations

import sqlite3
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from operator import attrgetter
from typing import NamedTuple

import msgspec

from fhir_server.core.file_transaction import transaction
from fhir_server.core.ports import Note, Notes
from fhir_server.security.audit import chain
from fhir_server.security.audit.blocks import Blocks
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.journal import Journals

TABLES = """
CREATE TABLE IF NOT EXISTS taken (journal TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS noted (origin INTEGER PRIMARY KEY, place INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS broken (journal TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
"""
CHECK = struct.Struct("<I")  # before the block of a note: its CRC-32
NOTED = "note:"  # before the origin of a note, among what is broken
LACKING = "lacking:"  # before that of one whose next note is not there


def note_of(block: bytes) -> bytes:
    """What the store is to commit of a block of events."""
    return CHECK.pack(zlib.crc32(block)) + block


class Taken(NamedTuple):
    """What was taken in: the number of the first event, and all of them in the order of the log."""

    first: int
    events: list[Event]


NOTHING_TAKEN = Taken(0, [])


class Taking:
    """notes: those of the store, None where events of writes are not among them."""

    def __init__(self, journals: Journals, notes: Notes | None, blocks: Blocks) -> None:
        self._journals = journals
        self._notes = notes
        self._blocks = blocks
        self._decode_lines = msgspec.json.Decoder(Event).decode_lines

    def take_in(self, connection: sqlite3.Connection) -> Taken:
        """Has what is in any journal, or a note, in the log; one transaction keeps it and up to where each was read."""
        execute = connection.execute
        place_of = partial(_place_of, execute)
        places = dict(execute("SELECT journal, place FROM taken"))
        names = self._journals.names()
        notes = self._notes.kept() if self._notes is not None else []
        fresh = any(note.place > place_of(note.origin) for note in notes)
        if not fresh and not any(self._journals.pending(name, places.get(name, 0)) for name in names):
            self._remove(names, places, {note.origin: note.place for note in notes})
            return NOTHING_TAKEN
        with transaction(connection):
            names = self._journals.names()
            found = [block for name in names for block in self._new(execute, name)]
            taken = {note.origin: place_of(note.origin) for note in notes}  # by others, meanwhile
            self._look_for_gaps(execute, notes, taken)
            found += [block for note in notes if note.place > taken[note.origin] for block in _noted(execute, note)]
            noted = {note.origin: max(note.place, taken[note.origin]) for note in notes}
            connection.executemany("INSERT OR REPLACE INTO noted VALUES (?, ?)", noted.items())
            added = self._add(connection, found)
            gone = places.keys() - names
            connection.executemany("DELETE FROM taken WHERE journal = ?", [(name,) for name in gone])
            places = dict(execute("SELECT journal, place FROM taken"))
        self._remove(names, places, noted)
        return added

    def _add(self, connection: sqlite3.Connection, blocks: Iterable[bytes]) -> Taken:
        """Puts the events of blocks into the log, in the order of their time."""
        text = b"\n".join(map(self._blocks.plain, blocks))
        events, lines = self._decode_lines(text), text.split(b"\n")
        times = [*map(attrgetter("recorded"), events)]
        order = sorted(range(len(events)), key=times.__getitem__)
        events, lines = [*map(events.__getitem__, order)], [*map(lines.__getitem__, order)]
        return Taken(chain.add(connection, events, lines, self._blocks), events)

    def _remove(self, names: Iterable[str], places: Mapping[str, int], noted: Mapping[int, int]) -> None:
        """Lets go of what is in the log: journals up to their places, notes up to those of their origins."""
        for name in names:
            self._journals.remove_finished(name, places.get(name, 0))
        if self._notes is not None and noted:
            self._notes.remove(noted)

    def _look_for_gaps(
        self, execute: Callable[..., sqlite3.Cursor], notes: Iterable[Note], taken: Mapping[int, int]
    ) -> None:
        """Notes were taken out of the store where a place is missing before one; taken: up to where they are known."""
        if self._notes is None or not self._notes.complete:
            return
        last = dict(taken)
        for note in notes:
            if note.place > last[note.origin] + 1:
                execute(
                    "INSERT OR IGNORE INTO broken VALUES (?, ?)", (f"{LACKING}{note.origin}", last[note.origin] + 1)
                )
            last[note.origin] = max(last[note.origin], note.place)

    def _new(self, execute: Callable[..., sqlite3.Cursor], name: str) -> list[bytes]:
        """The blocks of a journal that were not taken in."""
        row = execute("SELECT place FROM taken WHERE journal = ?", (name,)).fetchone()
        place = row[0] if row else 0
        found = self._journals.read(name, place)
        if not found.whole:
            execute("INSERT OR IGNORE INTO broken VALUES (?, ?)", (name, found.end))
        if found.end > place:
            execute("INSERT OR REPLACE INTO taken VALUES (?, ?)", (name, found.end))
        return found.blocks


def _noted(execute: Callable[..., sqlite3.Cursor], note: Note) -> list[bytes]:
    """The block of a note, none where it was changed."""
    block = note.data[CHECK.size :]
    if note.data[: CHECK.size] != CHECK.pack(zlib.crc32(block)):
        execute("INSERT OR IGNORE INTO broken VALUES (?, ?)", (f"{NOTED}{note.origin}", note.place))
        return []
    return [block]


def _place_of(execute: Callable[..., sqlite3.Cursor], origin: int) -> int:
    """Up to where notes were taken in."""
    row = execute("SELECT place FROM noted WHERE origin = ?", (origin,)).fetchone()
    return row[0] if row else 0


def damage(connection: sqlite3.Connection) -> str:
    """What was found changed before it could be taken in; "" for nothing."""
    row = connection.execute("SELECT journal, place FROM broken").fetchone()
    if not row:
        return ""
    name, place = row
    if name.startswith(NOTED):
        return f"The note {place} of {name.removeprefix(NOTED)} in the store was changed: events are missing."
    if name.startswith(LACKING):
        return f"The note {place} of {name.removeprefix(LACKING)} was taken out of the store: events are missing."
    return f"The journal {name} was changed behind byte {place}: events are missing."
