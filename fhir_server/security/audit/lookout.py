"""Where the one who raises alerts gets events from, and keeps what it has seen and raised."""

from __future__ import annotations

import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from fhir_server.core.write_ahead import use_write_ahead_log
from fhir_server.security.audit.alerts import Alert, Watch
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.log import AuditLog

FILE_NAME = "alerts.sqlite"
LEASE = 10_000_000  # microseconds that a worker looks alone without asking again
TABLES = """
CREATE TABLE IF NOT EXISTS alert (rule TEXT NOT NULL, subject TEXT NOT NULL, moment INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (rule, subject, moment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS untold (rule TEXT NOT NULL, subject TEXT NOT NULL, moment INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (rule, subject, moment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known (agent TEXT, network TEXT, PRIMARY KEY (agent, network)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS looking (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL,
    owner TEXT NOT NULL, until INTEGER NOT NULL);
INSERT OR IGNORE INTO looking VALUES (1, 0, '', 0);
"""

WatchOf = Callable[[set[tuple[str, str]]], Watch]  # of the (agent, network) that have been seen before


class Lookout(ABC):
    """One of those that share a place looks at a time. Its methods block: they are for threads.

    FhirError "unavailable" or sqlite3.Error where the place can't be used now.
    """

    def __init__(self) -> None:
        self._watch: Watch | None = None  # None: its windows are to be made from what is kept
        self._turn = threading.Lock()  # one thread at a time uses the place
        self._ended = False

    def look(self, owner: str, watch_of: WatchOf) -> list[Alert]:
        """Takes in what is new, if this owner is the one that looks; what was raised."""
        with self._turn:
            if self._ended:
                return []
            try:
                return self._looked(owner, watch_of)
            except BaseException:
                self._watch = None  # it may have counted what will be taken in again
                raise

    def untold(self, owner: str) -> list[Alert]:
        """What was raised and is not told yet, by whichever process; [] unless this owner is the one that looks."""
        with self._turn:
            return [] if self._ended else self._untold(owner)

    def told(self, alert: Alert) -> None:
        """Keeps that everybody can know of an alert; until then it is given again, after a crash too."""
        with self._turn:
            if not self._ended:
                self._told(alert)

    def close(self) -> None:
        """Ends the use; no look comes after."""
        with self._turn:
            self._ended = True

    @abstractmethod
    def raised(self) -> dict[str, int]:
        """How many alerts there were of each rule; answers at once."""

    @abstractmethod
    def _looked(self, owner: str, watch_of: WatchOf) -> list[Alert]: ...

    @abstractmethod
    def _untold(self, owner: str) -> list[Alert]: ...

    @abstractmethod
    def _told(self, alert: Alert) -> None: ...


class OwnLookout(Lookout):
    """Over the log of one machine, with alerts.sqlite beside it."""

    def __init__(self, audit: AuditLog, folder: Path, clock: Clock) -> None:
        super().__init__()
        self._audit = audit
        self._clock = clock
        self._position = 0
        try:
            self._connection = sqlite3.connect(
                folder / FILE_NAME, isolation_level=None, timeout=10, check_same_thread=False
            )
            use_write_ahead_log(self._connection)
            self._connection.executescript(TABLES)
        except sqlite3.Error as problem:
            raise error("unavailable", f"{folder / FILE_NAME} can't be used: {problem}.") from problem

    def _looked(self, owner: str, watch_of: WatchOf) -> list[Alert]:
        now = self._clock()
        execute = self._connection.execute
        taken = execute(
            "UPDATE looking SET owner = ?, until = ? WHERE owner = ? OR until < ? RETURNING position",
            (owner, now + LEASE, owner, now),
        ).fetchone()
        if taken is None:
            self._watch = None
            return []
        if self._watch is None:
            self._position = taken[0]
            self._watch = watch_of(set(execute("SELECT agent, network FROM known")))
            replay(self._watch, self._before(now - self._watch.span))
        before = len(self._watch.known)
        raised: list[Alert] = []
        for first, events in self._audit.together(self._position):
            for event in events:
                raised += self._watch.take(event)
            self._position = first + len(events) - 1
        if self._position == taken[0]:
            return []
        with self._connection:
            execute("BEGIN IMMEDIATE")
            for table in ("alert", "untold"):
                self._connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?, ?)", raised)
            if len(self._watch.known) > before:
                self._connection.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", self._watch.known)
            execute("UPDATE looking SET position = ? WHERE owner = ?", (self._position, owner))
        return raised

    def _untold(self, owner: str) -> list[Alert]:
        looks = "EXISTS (SELECT 1 FROM looking WHERE owner = ?)"
        found = self._connection.execute(f"SELECT rule, subject, moment, count FROM untold WHERE {looks}", (owner,))
        return [Alert(*row) for row in found]

    def _told(self, alert: Alert) -> None:
        self._connection.execute("DELETE FROM untold WHERE (rule, subject, moment) = (?, ?, ?)", alert[:3])

    def _before(self, since: int) -> Iterator[Event]:
        """Events that were looked at before."""
        for _, event in reversed(list(self._audit.newest_first(self._position + 1, since=since))):
            yield event

    def raised(self) -> dict[str, int]:
        """See `Lookout`."""
        with self._turn:
            return dict(self._connection.execute("SELECT rule, count(*) FROM alert GROUP BY rule").fetchall())

    def close(self) -> None:
        """See `Lookout`."""
        super().close()
        self._connection.close()


def replay(watch: Watch, events: Iterator[Event]) -> None:
    """Brings the windows to where they were, without raising anything again."""
    for event in events:
        watch.take(event)
