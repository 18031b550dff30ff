"""Switching an SQLite file to its write-ahead log, while other processes may do the same.

SQLite refuses the switch at once where another connection has the file, whatever its busy timeout
(https://www.sqlite.org/wal.html). A file that has been switched stays so; asking again is cheap.
"""

from __future__ import annotations

import sqlite3

from fhir_server.core.busy import patiently

PATIENCE = 30.0  # seconds
PAUSE = 0.01


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switches, waiting for others; sqlite3.OperationalError where the file stays in use."""
    patiently(connection, "PRAGMA journal_mode = WAL", PATIENCE, PAUSE)
