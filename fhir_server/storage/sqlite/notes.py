"""The notes that were committed with versions, for whoever takes them elsewhere: the `Notes` port.

Each writer numbers its own, so that whoever has taken some knows which, even where an older copy of the file is put
back. One that takes them reads beside the writers, and removes them once they are durable where they were taken.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Mapping
from pathlib import Path

from fhir_server.core.busy import patiently
from fhir_server.core.ports import Note
from fhir_server.storage.sqlite.failures import storage_error

PATIENCE = 1.0  # seconds that a removal tries to come between two commits
PAUSE = 0.001
THERE = "SELECT 1 FROM sqlite_master WHERE name = 'note'"
KEPT = "SELECT origin, place, data FROM note ORDER BY origin, place"


class SqliteNotes:
    """Those of one file, which may not be there yet."""

    complete = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = threading.Lock()  # of the connection
        self._connection: sqlite3.Connection | None = None

    def kept(self) -> list[Note]:
        """Those that were not removed, those of each origin in order. FhirError "unavailable"."""
        try:
            with self._turn:
                connection = self._opened()
                return [Note(*row) for row in connection.execute(KEPT)] if connection is not None else []
        except sqlite3.Error as problem:
            raise storage_error(problem) from problem

    def remove(self, places: Mapping[int, int]) -> None:
        """Removes those of each origin up to a place; where the store is busy they go another time."""
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(self._path, isolation_level=None, timeout=0)) as connection,
        ):
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            connection.execute("PRAGMA secure_delete = ON")
            patiently(connection, "BEGIN IMMEDIATE", PATIENCE, PAUSE)  # SQLite itself asks seldom
            connection.executemany("DELETE FROM note WHERE origin = ? AND place <= ?", places.items())
            connection.execute("COMMIT")

    def _opened(self) -> sqlite3.Connection | None:
        if self._connection is None and self._path.exists():
            connection = sqlite3.connect(self._path, isolation_level=None, timeout=5, check_same_thread=False)
            if connection.execute(THERE).fetchone() is None:  # of a former layout
                connection.close()
            else:
                connection.execute("PRAGMA query_only = ON")
                self._connection = connection
        return self._connection

    def close(self) -> None:
        """Closes the file."""
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
