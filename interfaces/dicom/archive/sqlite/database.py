"""Connections to the index, a SQLite file that several processes share."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from fhir_server.core.write_ahead import use_write_ahead_log
from interfaces.dicom.archive.names import folded

FILE_NAME = "index.sqlite"
SCHEMA_VERSION = 5
BUSY_MS = 30_000
IN_STEP_MS = 600_000  # others wait while one brings an index of before in step: 3 s for 100,000 studies
CACHE_MB = 16  # SQLite's page cache of a connection
_COUNTED = ("instance_count", "size", "changed")  # columns of study before version 4, changed with each instance


def connect(path: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    """A connection in autocommit mode, with the tables made where they are missing."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.row_factory = sqlite3.Row
    use_write_ahead_log(connection)
    connection.executescript(
        f"PRAGMA busy_timeout={BUSY_MS};PRAGMA synchronous={synchronous};"
        f"PRAGMA cache_size=-{CACHE_MB * 1024};PRAGMA foreign_keys=ON;PRAGMA secure_delete=ON;"
    )
    found = _version(connection)
    if found > SCHEMA_VERSION:
        connection.close()
        raise sqlite3.DatabaseError(f"{path} was made by a newer version of this program.")
    if found < SCHEMA_VERSION:
        _bring_in_step(connection)
    return connection


def _version(connection: sqlite3.Connection) -> int:
    return connection.execute("PRAGMA user_version").fetchone()[0]


def _bring_in_step(connection: sqlite3.Connection) -> None:
    """Makes the tables, or those of before as they are now, unless another process did so meanwhile."""
    connection.execute(f"PRAGMA busy_timeout={IN_STEP_MS}")
    connection.execute("BEGIN IMMEDIATE")
    if _version(connection) < SCHEMA_VERSION:
        for statement in Path(__file__).with_name("schema.sql").read_text("utf-8").split(";"):
            connection.execute(statement)
        columns = {row["name"] for row in connection.execute("PRAGMA table_info(study)")}
        for column in columns.intersection(_COUNTED):
            connection.execute(f"ALTER TABLE study DROP COLUMN {column}")
        # names of before are compared as those of now
        connection.create_function("folded", 1, folded, deterministic=True)
        connection.execute("UPDATE patient SET name = folded(name)")
        connection.execute("UPDATE study SET referring = folded(referring)")
        for table, column in (("study", "date"), ("patient", "birth_date")):  # so are dates with dots
            connection.execute(f"UPDATE {table} SET {column} = replace({column}, '.', '') WHERE instr({column}, '.')")
        connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
    connection.execute("COMMIT")
    connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")


class Readers:
    """One connection for each thread that reads; one that has ended leaves its own to the next."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self._path = path
        self._synchronous = synchronous
        self._begin()

    def _begin(self) -> None:
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._free: list[sqlite3.Connection] = []  # which threads that have one of these leave it to

    def get(self) -> sqlite3.Connection:
        """This thread's connection."""
        lent = getattr(self._local, "lent", None)
        if lent is None:
            lent = self._local.lent = _Lent(self._taken(), self._free)
        return lent.connection

    def close(self) -> None:
        """Closes those of all threads."""
        for connection in self._all:
            connection.close()
        self._begin()

    def _taken(self) -> sqlite3.Connection:
        try:
            return self._free.pop()
        except IndexError:
            made = connect(self._path, self._synchronous)
            self._all.append(made)
            return made


class _Lent:
    """A connection as long as its thread lives: an association has a thread, and there is no end of associations."""

    def __init__(self, connection: sqlite3.Connection, free: list[sqlite3.Connection]) -> None:
        self.connection = connection
        self._free = free

    def __del__(self) -> None:
        self._free.append(self.connection)
