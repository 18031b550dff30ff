"""The audit log: an append-only file of its own, in which every event's hash takes in the one before it (chain.py).

An event is durable first in its process's journal (journal.py), many with one flush; that of a write as a note in the
store, committed with what it wrote. Journals and notes are taken into the log together (taking.py), in the order of the
time, by whoever reads the log and by a process that has written enough. With keys, journals and rows are sealed
(blocks.py); hashes are of the events.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from fhir_server.core.errors import FhirError, error
from fhir_server.core.full_disk import lacks_room
from fhir_server.core.ports import Notes
from fhir_server.core.write_ahead import use_write_ahead_log
from fhir_server.security.audit import chain, taking
from fhir_server.security.audit.appending import Appending
from fhir_server.security.audit.blocks import Blocks, Keys
from fhir_server.security.audit.chain import Verdict, subjects_of
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.journal import Journals
from fhir_server.security.audit.recorder import Recorder
from fhir_server.security.audit.taking import Taken, Taking

FILE_NAME = "audit.sqlite"
SENT = "CREATE TABLE IF NOT EXISTS sent (receiver TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;"
_PLACE = re.compile(r"[0-9]{1,15}\Z")


class AuditLog:
    """Appends from any event loop; reads from any thread by connections of their own.

    notes: those of the store, None where events of writes are not among them.
    """

    def __init__(
        self, path: Path, *, synchronous: str = "FULL", keys: Keys | None = None, notes: Notes | None = None
    ) -> None:
        self.path = path
        self._synchronous = synchronous
        self._blocks = Blocks(keys)
        self._notes = notes
        self._folder = path.with_suffix(".journals")
        self._taking = Taking(Journals(self._folder), notes, self._blocks)
        self._appending = Appending(self._folder, self._blocks.block, self._taken_in, durable=synchronous != "OFF")
        self._recorder = Recorder(self._appending)
        self._encode = msgspec.json.Encoder().encode
        decoder = msgspec.json.Decoder(Event)
        self._decode, self._decode_lines = decoder.decode, decoder.decode_lines
        self._reading = threading.local()
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            path.touch(0o600)
            path.chmod(0o600)  # before there is a write-ahead log, which is readable by whoever reads the file
            self._connection = self._connect()
            self._connection.executescript(chain.TABLES + taking.TABLES + SENT)
            self._blocks.make_ready()
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

    def tell(self, event: Event, told: Callable[[Exception | None], None]) -> None:
        """The same without waiting: told is called later, with None or with the exception."""
        self._recorder.tell(self._encode(event), told)

    def append(self, events: Sequence[Event]) -> None:
        """Writes events to this process's journal, durable when it returns."""
        if self._appending.write([*map(self._encode, events)]):
            self._appending.tidy()

    def note(self, events: Iterable[Event]) -> bytes:
        """What the store is to commit with what events tell of."""
        return taking.note_of(self._blocks.block(map(self._encode, events)))

    # ------------------------------------------------------------------ taking journals and notes in
    def take_in(self) -> None:
        """Has all that is durable by now in the log's file. FhirError "unavailable" where it can't."""
        _ = self._read

    def _taken_in(self) -> None:
        """Has it there from time to time; where that fails journals and notes keep it."""
        with contextlib.suppress(sqlite3.Error, FhirError):
            self._taking.take_in(self._connection)

    # ------------------------------------------------------------------ reading
    @property
    def _read(self) -> sqlite3.Connection:
        """This thread's connection, once everything is in the log."""
        self._take_all(self._own)
        return self._own

    @property
    def _own(self) -> sqlite3.Connection:
        """This thread's connection."""
        connection = getattr(self._reading, "connection", None)
        if connection is None:
            connection = self._reading.connection = self._connect()
        return connection

    def _take_all(self, connection: sqlite3.Connection) -> Taken:
        """Has everything in the log, so that whoever reads it misses nothing."""
        try:
            return self._taking.take_in(connection)
        except sqlite3.Error as problem:
            why = "the disk is full" if lacks_room(problem) else "its file can't be written to"
            raise error(
                "unavailable",
                f"The audit log can't be read to its end now: {why}. Try again when that is mended.",
                headers={"Retry-After": "5"},
            ) from problem

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
            lines = self._blocks.lines(events)
            for number in range(first + len(lines) - 1, first - 1, -1):
                if number < before:
                    event = self._decode(lines[number - first])
                    if not subject or subject in subjects_of(event):
                        yield number, event

    def oldest_first(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Events with a number above after, in order."""
        for first, events in self.together(after):
            yield from enumerate(events, first)

    def together(self, after: int = 0) -> Iterator[tuple[int, list[Event]]]:
        """The same, many at a time: the number of the first, and they."""
        connection = self._own
        taken = self._take_all(connection)
        if taken.first == after + 1:  # they are all that is new
            yield taken
            return
        for first, kept in connection.execute(
            "SELECT first, events FROM batch WHERE first + count > ? "
            "AND first >= coalesce((SELECT max(first) FROM batch WHERE first <= ?), 0) ORDER BY first",
            (after + 1, after + 1),
        ):
            events = self._decode_lines(self._blocks.plain(kept))
            known = max(0, after + 1 - first)
            yield first + known, events[known:]

    def event(self, number: int) -> Event | None:
        """One event."""
        row = self._read.execute(
            "SELECT first, events FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1", (number,)
        ).fetchone()
        lines = self._blocks.lines(row[1]) if row else []
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
            yield first, count, oldest, newest, self._blocks.lines(events), bytes(hash)

    def verify(self, head: str = "") -> Verdict:
        """Makes every hash anew; see `chain.verify`."""
        connection = self._read
        verdict = chain.verify(connection, self._blocks, self._decode, head)
        return verdict if verdict.problem else verdict._replace(problem=taking.damage(connection))

    # ------------------------------------------------------------------ keeping
    def prune(self, before: int) -> int:
        """Removes rows whose newest event is older than a moment; gives how many events went."""
        with contextlib.closing(self._connect()) as connection:
            self._take_all(connection)
            return chain.prune(connection, before)

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
