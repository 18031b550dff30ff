"""Switching an SQLite file to its write-ahead log, while other processes may do the same.

SQLite refuses the switch at once where another connection has the file, whatever its busy timeout
(https://www.sqlite.org/wal.html). A file that has been switched stays so; asking again is cheap.
"""

from __future__ import annotations

import sqlite3

from fhir_server.core.busy import patiently
from fhir_server.core.errors import error

PATIENCE = 30.0  # seconds
PAUSE = 0.01


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switches, waiting for others; sqlite3.OperationalError where the file stays in use, FhirError "unavailable" where
    it is no database, which SQLite says without saying of which file."""
    try:
        patiently(connection, "PRAGMA journal_mode = WAL", PATIENCE, PAUSE)
    except sqlite3.DatabaseError as problem:
        if problem.sqlite_errorname != "SQLITE_NOTADB":
            raise
        _, _, file = connection.execute("PRAGMA database_list").fetchone()
        raise error(
            "unavailable",
            f"{file} is not a database, or is damaged; have it back from a backup, or name another data folder.",
        ) from problem
