"""The audit log: an append-only file of its own, in which every event's hash takes in the one before it.

An event is durable first in its process's journal (journal.py), many with one flush; that of a write as a note in the
store, committed with what it wrote. Journals and notes are taken into the log together, in the order of the time, by
whoever reads the log and by a process that has written enough: in one transaction with the place up to which each was
taken, so that each event gets in once. Nothing is changed once it is
written; retention removes whole rows at the old end and keeps the hash that they ended with, from where the rest can
still be verified. With keys, journals and rows are sealed; hashes are of what was sealed.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
import struct
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec

from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Note, Notes
from fhir_server.core.write_ahead import use_write_ahead_log
from fhir_server.security.audit.appending import Appending
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.journal import Journals
from fhir_server.security.audit.recorder import Recorder

FILE_NAME = "audit.sqlite"
TABLES = """
CREATE TABLE IF NOT EXISTS batch (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL, events BLOB NOT NULL, hash BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS batch_newest ON batch (newest);
CREATE TABLE IF NOT EXISTS about (subject TEXT NOT NULL, first INTEGER NOT NULL, PRIMARY KEY (subject, first))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS anchor (id INTEGER PRIMARY KEY CHECK (id = 1), next INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS sent (receiver TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS taken (journal TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS noted (origin INTEGER PRIMARY KEY, place INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS broken (journal TEXT PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
"""
ORIGIN = bytes(32)
OWNER = "audit"  # of the key that seals the log
ROW = 256  # events at most
CHECK = struct.Struct("<I")  # before the block of a note: its CRC-32
NOTED = "note:"  # before the origin of a note, among what is broken
_PLACE = re.compile(r"[0-9]{1,15}\Z")


class Keys(Protocol):
    """What seals."""

    def seal(self, owner: str, plain: bytes) -> bytes:
        """The bytes sealed with an owner's key."""
        ...

    def open(self, sealed: bytes) -> bytes | None:
        """What was sealed; None where its key is destroyed."""
        ...


class Verdict(NamedTuple):
    """events: how many were verified; problem: "" for an untouched chain, else where it breaks; head: the last hash."""

    events: int
    problem: str
    head: str


class AuditLog:
    """Appends from any event loop; reads from any thread by connections of their own.

    notes: those of the store, None where events of writes are not among them.
    """

    def __init__(
        self, path: Path, *, synchronous: str = "FULL", keys: Keys | None = None, notes: Notes | None = None
    ) -> None:
        self.path = path
        self._synchronous = synchronous
        self._keys = keys
        self._notes = notes
        self._folder = path.with_suffix(".journals")
        self._journals = Journals(self._folder)
        self._appending = Appending(self._folder, self._sealed, self._taken_in, durable=synchronous != "OFF")
        self._recorder = Recorder(self._appending)
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Event).decode
        self._reading = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._connect()
            self._connection.executescript(TABLES)
            path.chmod(0o600)
            if keys is not None:
                keys.seal(OWNER, b"")  # its key is there before threads ask for it
        except (OSError, sqlite3.Error) as problem:
            raise error("unavailable", f"The audit log {path} can't be used: {problem}.") from problem

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=10, check_same_thread=False)
        use_write_ahead_log(connection)
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        return connection

    # ------------------------------------------------------------------ writing
    def record(self, event: Event) -> Awaitable[None]:
        """Done once the event is durable; FhirError "unavailable" where it can't be kept."""
        return self._recorder.record(self._encode(event))

    def append(self, events: Sequence[Event]) -> None:
        """Writes events to this process's journal, durable when it returns."""
        if self._appending.write([*map(self._encode, events)]):
            self._appending.tidy()

    def note(self, events: Iterable[Event]) -> bytes:
        """What the store is to commit with what events tell of."""
        block = self._sealed(b"\n".join(map(self._encode, events)))
        return CHECK.pack(zlib.crc32(block)) + block

    def _sealed(self, plain: bytes) -> bytes:
        return self._keys.seal(OWNER, plain) if self._keys is not None else plain

    def _lines(self, kept: bytes) -> list[bytes]:
        """The events of a block or a row."""
        if self._keys is None and kept[:1] != b"[":
            raise error(
                "unavailable", "The audit log is sealed; start with the encryption_keys that it was sealed with."
            )
        plain = self._keys.open(kept) if self._keys is not None else kept
        if plain is None:
            raise error("unavailable", "The key of the audit log was destroyed; it can't be read any more.")
        return plain.split(b"\n")

    # ------------------------------------------------------------------ taking journals and notes in
    def take_in(self) -> None:
        """Has all that is durable by now in the log's file. sqlite3.Error, FhirError "unavailable" where it can't."""
        _ = self._read

    def _taken_in(self) -> None:
        """Has it there from time to time; where that fails journals and notes keep it."""
        with contextlib.suppress(sqlite3.Error, FhirError):
            self._take_in(self._connection)

    def _take_in(self, connection: sqlite3.Connection) -> None:
        """Has what is in any journal, or a note, in the log."""
        execute = connection.execute
        place_of = partial(_place_of, execute)
        places = dict(execute("SELECT journal, place FROM taken"))
        names = self._journals.names()
        notes = self._notes.after(place_of) if self._notes is not None else []
        if not notes and not any(self._journals.pending(name, places.get(name, 0)) for name in names):
            for name in names:
                self._journals.remove_finished(name, places.get(name, 0))
            return
        execute("BEGIN IMMEDIATE")
        try:
            names = self._journals.names()
            lines = [line for name in names for line in self._new_lines(execute, name)]
            taken = {note.origin: place_of(note.origin) for note in notes}  # by others, meanwhile
            lines += [
                line for note in notes if note.place > taken[note.origin] for line in self._noted_lines(execute, note)
            ]
            noted = {note.origin: max(note.place, taken[note.origin]) for note in notes}
            connection.executemany("INSERT OR REPLACE INTO noted VALUES (?, ?)", noted.items())
            known = ((self._decode(line), line) for line in lines)
            self._insert(connection, sorted(known, key=lambda each: each[0].recorded))
            gone = places.keys() - names
            connection.executemany("DELETE FROM taken WHERE journal = ?", [(name,) for name in gone])
            places = dict(execute("SELECT journal, place FROM taken"))
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise
        for name in names:
            self._journals.remove_finished(name, places.get(name, 0))
        if self._notes is not None and noted:
            self._notes.remove(noted)

    def _noted_lines(self, execute: Callable[..., sqlite3.Cursor], note: Note) -> list[bytes]:
        block = note.data[CHECK.size :]
        if note.data[: CHECK.size] != CHECK.pack(zlib.crc32(block)):
            execute("INSERT OR IGNORE INTO broken VALUES (?, ?)", (f"{NOTED}{note.origin}", note.place))
            return []
        return self._lines(block)

    def _new_lines(self, execute: Callable[..., sqlite3.Cursor], name: str) -> list[bytes]:
        row = execute("SELECT place FROM taken WHERE journal = ?", (name,)).fetchone()
        place = row[0] if row else 0
        found = self._journals.read(name, place)
        if not found.whole:
            execute("INSERT OR IGNORE INTO broken VALUES (?, ?)", (name, found.end))
        if found.end > place:
            execute("INSERT OR REPLACE INTO taken VALUES (?, ?)", (name, found.end))
        return [line for block in found.blocks for line in self._lines(block)]

    def _insert(self, connection: sqlite3.Connection, events: Sequence[tuple[Event, bytes]]) -> None:
        first, hash = self._end(connection.execute)
        for begin in range(0, len(events), ROW):
            row = events[begin : begin + ROW]
            for _, line in row:
                hash = chained(hash, line)
            times = [event.recorded for event, _ in row]
            kept = self._sealed(b"\n".join(line for _, line in row))
            connection.execute(
                "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)", (first, len(row), min(times), max(times), kept, hash)
            )
            subjects = sorted(subjects_of(*[event for event, _ in row]))
            connection.executemany("INSERT INTO about VALUES (?, ?)", [(subject, first) for subject in subjects])
            first += len(row)

    @staticmethod
    def _end(execute: Callable[[str], sqlite3.Cursor]) -> tuple[int, bytes]:
        """The number of the next event and the hash of the newest."""
        row = execute("SELECT first + count, hash FROM batch ORDER BY first DESC LIMIT 1").fetchone()
        row = row or execute("SELECT next, hash FROM anchor").fetchone()
        return (row[0], bytes(row[1])) if row else (1, ORIGIN)

    # ------------------------------------------------------------------ reading
    @property
    def _read(self) -> sqlite3.Connection:
        """This thread's connection, once everything is in the log."""
        connection = getattr(self._reading, "connection", None)
        if connection is None:
            connection = self._reading.connection = self._connect()
        self._take_in(connection)
        return connection

    def newest_first(self, before: int = 2**62, subject: str = "", since: int = 0) -> Iterator[tuple[int, Event]]:
        """Events numbered below before, newest first; of a subject (patient:ID, agent:NAME), recorded since."""
        where = "first < ?"
        parameters: list[int | str] = [before]
        if since:
            earliest = "SELECT min(first) FROM batch INDEXED BY batch_newest WHERE newest >= ?"
            where += f" AND newest >= ? AND first >= ({earliest})"
            parameters += since, since
        if subject:
            where += " AND first IN (SELECT first FROM about WHERE subject = ?)"
            parameters.append(subject)
        for first, events in self._read.execute(
            f"SELECT first, events FROM batch WHERE {where} ORDER BY first DESC", parameters
        ):
            lines = self._lines(events)
            for number in range(first + len(lines) - 1, first - 1, -1):
                if number < before:
                    event = self._decode(lines[number - first])
                    if not subject or subject in subjects_of(event):
                        yield number, event

    def oldest_first(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Events with a number above after, in order."""
        for first, events in self._read.execute(
            "SELECT first, events FROM batch WHERE first + count > ? "
            "AND first >= coalesce((SELECT max(first) FROM batch WHERE first <= ?), 0) ORDER BY first",
            (after + 1, after + 1),
        ):
            for number, line in enumerate(self._lines(events), first):
                if number > after:
                    yield number, self._decode(line)

    def event(self, number: int) -> Event | None:
        """One event."""
        row = self._read.execute(
            "SELECT first, events FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1", (number,)
        ).fetchone()
        lines = self._lines(row[1]) if row else []
        return self._decode(lines[number - row[0]]) if row and number - row[0] < len(lines) else None

    def page(self, after: str, subject: str = "", since: int = 0) -> Iterator[tuple[str, Event]]:
        """(place, event), newest first; after a place, "" from the newest on. FhirError "value" where it is none."""
        if after and not _PLACE.match(after):
            raise no_place()
        before = int(after) if after else 2**62
        for number, event in self.newest_first(before, subject, since):
            yield str(number), event

    def at(self, place: str) -> Event | None:
        """The event at a place, None for none."""
        return self.event(int(place)) if _PLACE.match(place) else None

    def rows(self, after: int) -> Iterator[tuple[int, int, int, int, list[bytes], bytes]]:
        """(number of the first event, count, oldest, newest, events, hash) of the rows behind that of a first event."""
        for first, count, oldest, newest, events, hash in self._read.execute(
            "SELECT first, count, oldest, newest, events, hash FROM batch WHERE first > ? ORDER BY first", (after,)
        ):
            yield first, count, oldest, newest, self._lines(events), bytes(hash)

    def verify(self) -> Verdict:
        """Makes every hash anew. A changed, missing, added or reordered event breaks the chain where it is."""
        read = self._read
        row = read.execute("SELECT next, hash FROM anchor").fetchone()
        expected, hash = (row[0], bytes(row[1])) if row else (1, ORIGIN)
        seen = 0
        for first, count, events, kept in read.execute(
            "SELECT first, count, CAST(events AS BLOB), hash FROM batch ORDER BY first"
        ):
            changed = f"Events {first} to {first + count - 1} are not as they were written."
            try:
                lines = self._lines(events)
            except FhirError:
                return Verdict(seen, changed, hash.hex())
            if first != expected or len(lines) != count:
                return Verdict(seen, f"Event {expected} is missing, or event {first} was put in.", hash.hex())
            for line in lines:
                hash = chained(hash, line)
            if hash != bytes(kept):
                return Verdict(seen, changed, hash.hex())
            expected, seen = first + count, seen + count
        broken = read.execute("SELECT journal, place FROM broken").fetchone()
        return Verdict(seen, _told(*broken) if broken else "", hash.hex())

    # ------------------------------------------------------------------ keeping
    def prune(self, before: int) -> int:
        """Removes rows whose newest event is older than a moment; gives how many events went."""
        connection = self._connect()
        self._take_in(connection)
        connection.execute("BEGIN IMMEDIATE")
        try:
            limit = connection.execute("SELECT min(first) FROM batch WHERE newest >= ?", (before,)).fetchone()[0]
            limit = 2**62 if limit is None else limit
            last = connection.execute(
                "SELECT first + count, hash FROM batch WHERE first < ? ORDER BY first DESC LIMIT 1", (limit,)
            ).fetchone()
            gone = connection.execute("SELECT coalesce(sum(count), 0) FROM batch WHERE first < ?", (limit,)).fetchone()
            if last:
                connection.execute("INSERT OR REPLACE INTO anchor VALUES (1, ?, ?)", last)
                connection.execute("DELETE FROM batch WHERE first < ?", (limit,))
                connection.execute("DELETE FROM about WHERE first < ?", (limit,))
            connection.execute("COMMIT")
        finally:
            connection.close()
        return gone[0]

    def sent(self, receiver: str) -> int:
        """The number of the last event that a receiver has."""
        row = self._read.execute("SELECT position FROM sent WHERE receiver = ?", (receiver,)).fetchone()
        return row[0] if row else 0

    def keep_sent(self, receiver: str, position: int) -> None:
        """Keeps how far a receiver is."""
        self._connection.execute("INSERT OR REPLACE INTO sent VALUES (?, ?)", (receiver, position))

    def close(self) -> None:
        """Finishes what is being written, takes it in and closes the file."""
        self._recorder.close()
        used = self._appending.used or self._notes is not None
        self._appending.close()
        if used:
            self._taken_in()
        self._connection.close()


def no_place() -> FhirError:
    """What to answer where a page is asked for by what is no place in the log."""
    return error("value", "This _cursor was not given by this server; start again without it.")


def _place_of(execute: Callable[..., sqlite3.Cursor], origin: int) -> int:
    """Up to where notes were taken in."""
    row = execute("SELECT place FROM noted WHERE origin = ?", (origin,)).fetchone()
    return row[0] if row else 0


def _told(name: str, place: int) -> str:
    """What is wrong with a journal behind a byte, or with the note at a place."""
    if name.startswith(NOTED):
        return f"The note {place} of {name.removeprefix(NOTED)} in the store was changed: events are missing."
    return f"The journal {name} was changed behind byte {place}: events are missing."


def chained(before: bytes, line: bytes) -> bytes:
    """The hash of an event after the event before it."""
    return hashlib.sha256(before + line).digest()


def subjects_of(*events: Event) -> set[str]:
    """What events are found by."""
    patients: set[str] = set()
    agents: set[str] = set()
    for event in events:
        patients.update(event.patients)
        agents.add(event.user or event.client)
        if event.fhir_user.startswith("Patient/"):
            patients.add(event.fhir_user[len("Patient/") :])
    return {*[f"patient:{id}" for id in patients], *[f"agent:{agent}" for agent in agents]}
