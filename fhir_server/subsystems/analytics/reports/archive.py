"""What has been written: an SQLite file with each report once a period, and whom it has been sent to.

It is not made from the feed, so it stays where the lake is dropped and made anew: nobody gets a report twice by that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.write_ahead import use_write_ahead_log
from fhir_server.subsystems.analytics.reports.content import Content

SCHEMA = """
CREATE TABLE IF NOT EXISTS report (
    name TEXT NOT NULL, period TEXT NOT NULL, made INTEGER NOT NULL, formats TEXT NOT NULL, content BLOB,
    PRIMARY KEY (name, period)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS delivery (
    name TEXT NOT NULL, period TEXT NOT NULL, recipient TEXT NOT NULL, state TEXT NOT NULL, attempts INTEGER NOT NULL,
    due INTEGER NOT NULL, problem TEXT NOT NULL, changed INTEGER NOT NULL,
    PRIMARY KEY (name, period, recipient), FOREIGN KEY (name, period) REFERENCES report (name, period)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS waiting ON delivery (due) WHERE state = 'waiting';
"""
WAITING, SENT, FAILED = "waiting", "sent", "failed"


class Delivery(NamedTuple):
    """state: waiting, sent, failed or withdrawn; due: when it is tried next; times in microseconds since 1970."""

    name: str
    period: str
    recipient: str
    state: str
    attempts: int
    due: int
    problem: str
    changed: int


class Written(NamedTuple):
    """One report of a period; content: None where it was withdrawn because something in it was erased."""

    name: str
    period: str
    made: int
    formats: list[str]
    content: Content | None


class Archive:
    """One file; each call has a connection of its own, so any thread and process may use it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def has(self, name: str, period: str) -> bool:
        """Whether a report of this period has been written."""
        return bool(self._rows("SELECT 1 FROM report WHERE name = ? AND period = ?", (name, period)))

    def add(self, content: Content, formats: Sequence[str], recipients: Iterable[str], now: int) -> bool:
        """Keeps a report with whom it goes to; whether it is the first one of its period."""
        with self._opened() as connection:
            added = connection.execute(
                "INSERT OR IGNORE INTO report VALUES (?, ?, ?, ?, ?)",
                (content.name, content.period, now, ",".join(formats), msgspec.json.encode(content)),
            )
            if added.rowcount:
                connection.executemany(
                    "INSERT OR IGNORE INTO delivery VALUES (?, ?, ?, ?, 0, ?, '', ?)",
                    [(content.name, content.period, each, WAITING, now, now) for each in recipients],
                )
        return bool(added.rowcount)

    def written(self, name: str, period: str) -> Written:
        """FhirError "not-found" where it has not been written, "deleted" where it was withdrawn."""
        rows = self._rows("SELECT * FROM report WHERE name = ? AND period = ?", (name, period))
        if not rows:
            raise error("not-found", f"No report {name[:60]} of {period[:40]} has been written.")
        found = _written(rows[0])
        if found.content is None:
            raise error("deleted", f"The report {name} of {period} was withdrawn: what it was about has been erased.")
        return found

    def all(self, name: str, most: int = 50) -> list[Written]:
        """The newest ones of a report."""
        rows = self._rows("SELECT * FROM report WHERE name = ? ORDER BY made DESC, period DESC LIMIT ?", (name, most))
        return [_written(row) for row in rows]

    def deliveries(self, name: str, period: str) -> list[Delivery]:
        """Whom it goes to, and how that went."""
        rows = self._rows("SELECT * FROM delivery WHERE name = ? AND period = ? ORDER BY recipient", (name, period))
        return [Delivery(*row) for row in rows]

    def claim(self, now: int, until: int) -> Delivery | None:
        """One that is due to be sent, which nobody else gets before a time; None where there is none."""
        with self._opened() as connection:
            row = connection.execute(
                "UPDATE delivery SET due = ?, attempts = attempts + 1 WHERE (name, period, recipient) = (SELECT name, "
                "period, recipient FROM delivery WHERE state = 'waiting' AND due <= ? ORDER BY due LIMIT 1) "
                "RETURNING *",
                (until, now),
            ).fetchone()
        return Delivery(*row) if row else None

    def settle(self, delivery: Delivery, state: str, due: int, problem: str, now: int) -> None:
        """Notes how an attempt went."""
        with self._opened() as connection:
            connection.execute(
                "UPDATE delivery SET state = ?, due = ?, problem = ?, changed = ? "
                "WHERE name = ? AND period = ? AND recipient = ? AND state = 'waiting'",
                (state, due, problem, now, delivery.name, delivery.period, delivery.recipient),
            )

    def again(self, name: str, period: str, now: int) -> int:
        """Has those that failed be tried again; how many."""
        with self._opened() as connection:
            return connection.execute(
                "UPDATE delivery SET state = 'waiting', attempts = 0, due = ?, changed = ? "
                "WHERE name = ? AND period = ? AND state = 'failed'",
                (now, now, name, period),
            ).rowcount

    def withdraw(self, ids: Sequence[str]) -> int:
        """Empties the reports that name one of these ids; how many. They are not written again."""
        if not self._file.exists():
            return 0
        with self._opened() as connection:
            connection.execute("PRAGMA secure_delete = ON")
            named = [
                (name, period)
                for name, period, content in connection.execute("SELECT name, period, content FROM report")
                if content and any(id.encode() in content for id in ids)
            ]
            connection.executemany("UPDATE report SET content = NULL WHERE name = ? AND period = ?", named)
            connection.executemany(
                "UPDATE delivery SET state = 'withdrawn' WHERE name = ? AND period = ? AND state = 'waiting'",
                named,
            )
        if named:
            with self._opened() as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return len(named)

    def _rows(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        if not self._file.exists():
            return []
        with self._opened() as connection:
            return connection.execute(sql, parameters).fetchall()

    def _opened(self) -> _Opened:
        return _Opened(self._file)


class _Opened:
    """A connection for one transaction."""

    def __init__(self, file: Path) -> None:
        new = not file.exists()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(file, timeout=30)
        if new:
            use_write_ahead_log(self._connection)
        self._connection.executescript(SCHEMA)
        self._connection.execute("PRAGMA foreign_keys = ON")

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, kind: Any, *others: Any) -> None:
        try:
            (self._connection.rollback if kind else self._connection.commit)()
        finally:
            self._connection.close()


def _written(row: Any) -> Written:
    name, period, made, formats, content = row
    return Written(
        name, period, made, formats.split(","), msgspec.json.decode(content, type=Content) if content else None
    )
