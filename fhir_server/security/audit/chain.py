"""The rows of the log: 256 events each at most, every event's hash taking in the one before it.

Rows are added at the new end and removed at the old one, where the hash that they ended with is kept, so that what is
left can still be verified. Nothing else changes them.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Sequence
from hashlib import sha256
from operator import attrgetter
from typing import NamedTuple

from fhir_server.core.errors import FhirError, error
from fhir_server.security.audit.blocks import Blocks
from fhir_server.security.audit.event import Event

TABLES = """
CREATE TABLE IF NOT EXISTS batch (first INTEGER PRIMARY KEY, count INTEGER NOT NULL, oldest INTEGER NOT NULL,
    newest INTEGER NOT NULL, events BLOB NOT NULL, hash BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS batch_newest ON batch (newest);
CREATE TABLE IF NOT EXISTS about (subject TEXT NOT NULL, first INTEGER NOT NULL, PRIMARY KEY (subject, first))
    WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS anchor (id INTEGER PRIMARY KEY CHECK (id = 1), next INTEGER NOT NULL, hash BLOB NOT NULL);
"""
ORIGIN = bytes(32)
ROW = 256  # events at most
HEAD = re.compile("[0-9a-f]{64}\\Z")
_PATIENT = "Patient/"


class Verdict(NamedTuple):
    """events: how many were verified; problem: "" for an untouched chain, else where it breaks; head: the last hash."""

    events: int
    problem: str
    head: str


def add(connection: sqlite3.Connection, events: Sequence[Event], lines: Sequence[bytes], blocks: Blocks) -> int:
    """Puts events, in the order of their time, and their lines at the new end; gives the number of the first."""
    number, hash = _end(connection.execute)
    for begin in range(0, len(events), ROW):
        row, kept = events[begin : begin + ROW], lines[begin : begin + ROW]
        for line in kept:
            hash = chained(hash, line)
        connection.execute(
            "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?)",
            (number + begin, len(row), row[0].recorded, row[-1].recorded, blocks.block(kept), hash),
        )
        subjects = sorted(subjects_of(*row))
        connection.executemany("INSERT INTO about VALUES (?, ?)", [(subject, number + begin) for subject in subjects])
    return number


def _end(execute: Callable[[str], sqlite3.Cursor]) -> tuple[int, bytes]:
    """The number of the next event and the hash of the newest."""
    row = execute("SELECT first + count, hash FROM batch ORDER BY first DESC LIMIT 1").fetchone()
    return (row[0], bytes(row[1])) if row else _anchor(execute)


def _anchor(execute: Callable[[str], sqlite3.Cursor]) -> tuple[int, bytes]:
    """The number of the first event that was not removed and the hash of the one before it."""
    row = execute("SELECT next, hash FROM anchor").fetchone()
    return (row[0], bytes(row[1])) if row else (1, ORIGIN)


def verify(connection: sqlite3.Connection, blocks: Blocks, decode: Callable[[bytes], Event], head: str = "") -> Verdict:
    """Makes every hash anew. A changed, missing, added or reordered event breaks the chain where it is; so does a row
    that is not found any more by when its events were recorded and whom they are about.

    head: a hash that an earlier verification ended with, which must be in the chain; "" for none.
    """
    expected, hash = _anchor(connection.execute)
    seen, wanted = 0, bytes.fromhex(head)
    passed = not wanted or hash == wanted
    for first, count, oldest, newest, events, kept in connection.execute(
        "SELECT first, count, oldest, newest, CAST(events AS BLOB), hash FROM batch ORDER BY first"
    ):
        named = f"Events {first} to {first + count - 1}"
        changed = f"{named} are not as they were written."
        try:
            lines = blocks.lines(events)
        except FhirError:
            return Verdict(seen, changed, hash.hex())
        if first != expected or len(lines) != count:
            return Verdict(seen, f"Event {expected} is missing, or event {first} was put in.", hash.hex())
        for line in lines:
            hash = chained(hash, line)
            passed = passed or hash == wanted
        if hash != bytes(kept):
            return Verdict(seen, changed, hash.hex())
        row = [decode(line) for line in lines]
        found = {each for (each,) in connection.execute("SELECT subject FROM about WHERE first = ?", (first,))}
        if (oldest, newest) != (row[0].recorded, row[-1].recorded) or not subjects_of(*row) <= found:
            return Verdict(seen, f"{named} are not found any more by all that they are about.", hash.hex())
        expected, seen = first + count, seen + count
    return Verdict(seen, "" if passed else lost(head), hash.hex())


def require_head(text: str) -> str:
    """The text; FhirError "value" where it is no hash that a verification can have ended with, nor ""."""
    if text and not HEAD.match(text):
        raise error("value", "head is what an earlier verification gave as it: 64 hexadecimal digits.")
    return text


def lost(head: str) -> str:
    """What is wrong where a head of before is not in a chain."""
    return f"No event has the hash {head}: events after it or before it were removed or made anew, or it was pruned."


def prune(connection: sqlite3.Connection, before: int) -> int:
    """Removes rows whose newest event is older than a moment; gives how many events went."""
    connection.execute("BEGIN IMMEDIATE")
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
    return gone[0]


def chained(before: bytes, line: bytes) -> bytes:
    """The hash of an event after the event before it."""
    return sha256(before + line).digest()


def subjects_of(*events: Event) -> set[str]:
    """What events are found by."""
    patients: set[str] = set().union(*map(attrgetter("patients"), events))
    users = set(map(attrgetter("fhir_user"), events))
    patients.update(user.removeprefix(_PATIENT) for user in users if user.startswith(_PATIENT))
    agents = {user or client for user, client in set(map(attrgetter("user", "client"), events))}
    return {*[f"patient:{id}" for id in patients], *[f"agent:{agent}" for agent in agents]}
