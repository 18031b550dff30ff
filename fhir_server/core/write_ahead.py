"""Switching an SQLite file to its write-ahead log, while other processes may do the same.

SQLite refuses the switch at once where another connection has the file, whatever its busy timeout
(https://www.sqlite.org/wal.html). A file that has been switched stays so; asking again is cheap.
"""

from __future__ import annotations

import sqlite3
import time

PATIENCE = 30.0  # seconds
PAUSE = 0.01


def use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switches, waiting for others; sqlite3.OperationalError where the file stays in use."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as problem:
            if not problem.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
