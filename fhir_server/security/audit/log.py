"""The audit log: an append-only file of its own, in which every event's hash takes in the one before it.

Events that wait together are one row and one flush. Several workers append to one chain: each takes the newest hash
inside its own transaction. Nothing is changed once it is written; retention removes whole rows at the old end and
keeps the hash that they ended with, from where the rest can still be verified. Who an event is about is indexed later
than it is kept, many rows at a time: by the thread that writes, and before a search by it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.write_ahead import use_write_ahead_log
from fhir_server.security.audit.event import Event

FILE_NAME = "audit.sqlite"
TABLES = """
CREATE TABLE IF NOT EXISTS batch (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL, events BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS about (subject TEXT NOT NULL, first INTEGER NOT NULL, PRIMARY KEY (subject, first))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS anchor (id INTEGER PRIMARY KEY CHECK (id = 1), next INTEGER NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS indexed (id INTEGER PRIMARY KEY CHECK (id = 1), next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS sent (receiver TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
"""
ORIGIN = bytes(32)
INDEX_EVERY = 256  # rows after which they are indexed


class Verdict(NamedTuple):
    """events: how many were verified; problem: "" for an untouched chain, else where it breaks; head: the last hash."""

    events: int
    problem: str
    head: str


class AuditLog:
    """Appends from an event loop; reads from any thread by connections of their own."""

    def __init__(self, path: Path, *, synchronous: str = "FULL") -> None:
        self.path = path
        self._synchronous = synchronous
        self._disk = ThreadPoolExecutor(1, "audit")
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._flush: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._since_index = 0
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(Event).decode
        self._reading = threading.local()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._connection = self._connect()
            self._connection.executescript(TABLES)
            path.chmod(0o600)
        except (OSError, sqlite3.Error) as problem:
            raise error("unavailable", f"The audit log {path} can't be used: {problem}.") from problem

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, isolation_level=None, timeout=10, check_same_thread=False)
        use_write_ahead_log(connection)
        connection.execute(f"PRAGMA synchronous = {self._synchronous}")
        return connection

    # ------------------------------------------------------------------ writing
    async def record(self, event: Event) -> None:
        """Returns once the event is durable; FhirError "unavailable" where it can't be kept."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:  # an interface's own
                return await loop.run_in_executor(self._disk, self.append, [event])
            self._loop = loop
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((event, done))
        if self._flush is None:
            self._flush = asyncio.ensure_future(self._flush_all())
        await done

    async def _flush_all(self) -> None:
        """Writes what waits until nothing does: whatever comes in during a flush shares the next one."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            taken, self._waiting = self._waiting, []
            problem: Exception | None = None
            try:
                await loop.run_in_executor(self._disk, self.append, [event for event, _ in taken])
            except Exception as raised:
                problem = raised
            for _, done in taken:
                if done.done():
                    continue
                if problem is None:
                    done.set_result(None)
                else:
                    done.set_exception(problem)
        self._flush = None

    def append(self, events: Sequence[Event]) -> None:
        """Writes events as one row, durable when it returns."""
        lines = [self._encode(event) for event in events]
        execute = self._connection.execute
        try:
            execute("BEGIN IMMEDIATE")
            try:
                first, hash = self._end(execute)
                for line in lines:
                    hash = chained(hash, line)
                times = [event.recorded for event in events]
                execute(
                    "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)",
                    (first, len(lines), min(times), max(times), b"\n".join(lines), hash),
                )
                execute("COMMIT")
            except BaseException:
                execute("ROLLBACK")
                raise
        except sqlite3.Error as problem:
            raise error("unavailable", "The audit log can't be written now, so nothing is given out.") from problem
        self._since_index += 1
        if self._since_index >= INDEX_EVERY:
            with contextlib.suppress(sqlite3.Error):  # the next search does it
                self._index(self._connection)
            self._since_index = 0

    def _index(self, connection: sqlite3.Connection) -> None:
        """Indexes what is not indexed yet."""
        execute = connection.execute
        if self._unindexed(execute) is None:
            return
        execute("BEGIN IMMEDIATE")
        try:
            begun = self._unindexed(execute)
            rows = (
                execute("SELECT first, count, events FROM batch WHERE first >= ?", (begun,)).fetchall() if begun else ()
            )
            found = {
                (subject, first)
                for first, _, events in rows
                for line in events.split(b"\n")
                for subject in subjects_of(self._decode(line))
            }
            connection.executemany("INSERT OR IGNORE INTO about VALUES (?, ?)", sorted(found))
            if rows:
                execute("INSERT OR REPLACE INTO indexed VALUES (1, ?)", (rows[-1][0] + rows[-1][1],))
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise

    @staticmethod
    def _unindexed(execute: Callable[..., sqlite3.Cursor]) -> int | None:
        """The first row that is not indexed; None where all are."""
        row = execute(
            "SELECT min(first) FROM batch WHERE first >= coalesce((SELECT next FROM indexed), "
            "(SELECT max(first) + 1 FROM about), 0)"
        ).fetchone()
        return row[0]

    @staticmethod
    def _end(execute: Callable[[str], sqlite3.Cursor]) -> tuple[int, bytes]:
        """The number of the next event and the hash of the newest."""
        row = execute("SELECT first + count, hash FROM batch ORDER BY first DESC LIMIT 1").fetchone()
        row = row or execute("SELECT next, hash FROM anchor").fetchone()
        return (row[0], bytes(row[1])) if row else (1, ORIGIN)

    # ------------------------------------------------------------------ reading
    @property
    def _read(self) -> sqlite3.Connection:
        connection = getattr(self._reading, "connection", None)
        if connection is None:
            connection = self._reading.connection = self._connect()
        return connection

    def newest_first(self, before: int = 2**62, subject: str = "", since: int = 0) -> Iterator[tuple[int, Event]]:
        """Events numbered below before, newest first; of a subject (patient:ID, agent:NAME), recorded since."""
        where = "first < ? AND newest >= ?"
        if subject:
            self._index(self._read)
            where += " AND first IN (SELECT first FROM about WHERE subject = ?)"
        parameters = (before, since, subject) if subject else (before, since)
        for first, events in self._read.execute(
            f"SELECT first, events FROM batch WHERE {where} ORDER BY first DESC", parameters
        ):
            lines = events.split(b"\n")
            for number in range(first + len(lines) - 1, first - 1, -1):
                if number < before:
                    event = self._decode(lines[number - first])
                    if not subject or subject in subjects_of(event):
                        yield number, event

    def oldest_first(self, after: int = 0) -> Iterator[tuple[int, Event]]:
        """Events with a number above after, in order."""
        for first, events in self._read.execute(
            "SELECT first, events FROM batch WHERE first + count > ? ORDER BY first", (after + 1,)
        ):
            for number, line in enumerate(events.split(b"\n"), first):
                if number > after:
                    yield number, self._decode(line)

    def event(self, number: int) -> Event | None:
        """One event."""
        row = self._read.execute(
            "SELECT first, events FROM batch WHERE first <= ? ORDER BY first DESC LIMIT 1", (number,)
        ).fetchone()
        lines = row[1].split(b"\n") if row else []
        return self._decode(lines[number - row[0]]) if row and number - row[0] < len(lines) else None

    def verify(self) -> Verdict:
        """Makes every hash anew. A changed, missing, added or reordered event breaks the chain where it is."""
        row = self._read.execute("SELECT next, hash FROM anchor").fetchone()
        expected, hash = (row[0], bytes(row[1])) if row else (1, ORIGIN)
        seen = 0
        for first, count, events, kept in self._read.execute(
            "SELECT first, count, CAST(events AS BLOB), hash FROM batch ORDER BY first"
        ):
            lines = events.split(b"\n")
            if first != expected or len(lines) != count:
                return Verdict(seen, f"Event {expected} is missing, or event {first} was put in.", hash.hex())
            for line in lines:
                hash = chained(hash, line)
            if hash != bytes(kept):
                return Verdict(seen, f"Events {first} to {first + count - 1} are not as they were written.", hash.hex())
            expected, seen = first + count, seen + count
        return Verdict(seen, "", hash.hex())

    # ------------------------------------------------------------------ keeping
    def prune(self, before: int) -> int:
        """Removes rows whose newest event is older than a moment; gives how many events went."""
        connection = self._connect()
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
        self._read.execute("INSERT OR REPLACE INTO sent VALUES (?, ?)", (receiver, position))

    def close(self) -> None:
        """Finishes what is being written and closes the file."""
        self._disk.shutdown()
        self._connection.close()


def chained(before: bytes, line: bytes) -> bytes:
    """The hash of an event after the event before it."""
    return hashlib.sha256(before + line).digest()


def subjects_of(event: Event) -> list[str]:
    """What an event is found by."""
    kind, _, id = event.fhir_user.partition("/")
    acting = [f"patient:{id}"] if kind == "Patient" and id not in event.patients else []
    return [*(f"patient:{id}" for id in event.patients), *acting, f"agent:{event.user or event.client}"]
