"""Statements that SQLite refuses at once, or asks seldom for, while another connection has the file."""

from __future__ import annotations

import sqlite3
import time


def patiently(connection: sqlite3.Connection, statement: str, patience: float, pause: float) -> None:
    """Tries it again after each pause, in seconds; sqlite3.OperationalError where the file stays in use."""
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute(statement)
            return
        except sqlite3.OperationalError as problem:
            if not problem.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() > deadline:
                raise
            time.sleep(pause)
