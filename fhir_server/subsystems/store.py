"""The SQLite file of a subsystem: its own tables, how far in the feed they are, and which effects have been made."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fhir_server.core.file_transaction import transaction
from fhir_server.core.write_ahead import use_write_ahead_log

FRAME = """
CREATE TABLE IF NOT EXISTS place (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS effect (
    reference TEXT NOT NULL, version INTEGER NOT NULL, rule TEXT NOT NULL, PRIMARY KEY (reference, version, rule)
) WITHOUT ROWID;
"""


class SubsystemStore:
    """Writes are one at a time, from any thread; reads have a connection of their own and see what is committed.

    schema: CREATE statements, all with IF NOT EXISTS. A file of another layout is dropped with `drop` and made anew
    from the feed: layout is a number that grows whenever the schema changes. functions: of one argument, that its SQL
    knows by their names.
    """

    def __init__(
        self, file: Path, schema: str, layout: int, functions: Mapping[str, Callable[[Any], Any]] | None = None
    ) -> None:
        self._functions = functions or {}
        self._file = file
        self._schema = schema
        self._layout = layout
        self._lock = threading.RLock()
        self._reading = threading.Lock()
        self._open()
        if self._writer.execute("PRAGMA user_version").fetchone()[0] != layout:
            self.drop()

    def _open(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        new = not self._file.exists()
        self._writer = _connect(self._file)
        use_write_ahead_log(self._writer)
        self._writer.execute("PRAGMA synchronous = NORMAL")  # what a power cut takes, the feed brings again
        if new:
            self._writer.executescript(FRAME + self._schema)
            self._writer.execute(f"PRAGMA user_version = {self._layout}")
        self._reader = _connect(self._file)
        self._reader.execute("PRAGMA query_only = ON")
        for name, function in self._functions.items():
            for connection in (self._writer, self._reader):
                connection.create_function(name, 1, function, deterministic=True)

    def position(self) -> int:
        """How far in the feed the tables are, 0 for new ones."""
        row = self.row("SELECT position FROM place WHERE name = 'feed'")
        return row[0] if row else 0

    @contextlib.contextmanager
    def writing(self, position: int | None = None) -> Iterator[sqlite3.Connection]:
        """One transaction, with the position after it where it takes changes in; an exception undoes it all."""
        with self._lock:
            connection = self._writer
            with transaction(connection):
                yield connection
                if position is not None:
                    connection.execute("INSERT OR REPLACE INTO place VALUES ('feed', ?)", (position,))

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """All rows of a query."""
        with self._reading:
            return self._reader.execute(sql, parameters).fetchall()

    def row(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Row | None:
        """The first row of a query."""
        with self._reading:
            return self._reader.execute(sql, parameters).fetchone()

    def forget(self) -> None:
        """Leaves nothing of what was deleted in the files: deleting overwrites, the write-ahead log is emptied."""
        with self._lock, self._reading:
            self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def drop(self) -> None:
        """Removes the file with all that is in it, and begins an empty one."""
        with self._lock, self._reading:
            self._reader.close()
            self._writer.close()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{self._file}{suffix}").unlink(missing_ok=True)
            self._open()

    def close(self) -> None:
        """Closes its connections."""
        with self._lock, self._reading:
            self._reader.close()
            self._writer.close()


def first(connection: sqlite3.Connection, reference: str, version: int, rule: str) -> bool:
    """Whether an effect of a rule on a version of a resource is made now for the first time; inside of `writing`."""
    made = connection.execute("INSERT OR IGNORE INTO effect VALUES (?, ?, ?)", (reference, version, rule))
    return made.rowcount == 1


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False, timeout=10)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA secure_delete = ON")
    return connection
