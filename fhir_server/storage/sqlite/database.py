"""Opening the SQLite file: connections with the right pragmas, and the schema at its version."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

import structlog

from fhir_server.core.errors import FhirError, error
from fhir_server.core.folding import fold
from fhir_server.core.write_ahead import use_write_ahead_log
from fhir_server.storage.sqlite import schema, write_ahead_log

FILE_NAME = "fhir.sqlite"
RESTORING = f"{FILE_NAME}.restoring"  # beside a store that a restore has not finished
PATIENCE = 30.0  # seconds that opening waits for other processes
CHANGE_PATIENCE = 600.0  # seconds that it waits where the file's layout is of a former version: another may change it

log = structlog.get_logger("store")


def connect(
    path: Path, *, cache_mb: int = 32, read_only: bool = False, synchronous: str = "FULL"
) -> sqlite3.Connection:
    """A connection in autocommit mode; usable from any thread, one thread at a time.

    synchronous FULL makes a commit survive power loss. The log is copied by the writer, not by whoever commits.
    Opening waits for another process that has the file for itself, as the last one to close it has (1); what comes
    after waits only where it is read_only: the writer has a way of its own.

    (1) https://www.sqlite.org/wal.html#sometimes_queries_return_sqlite_busy_in_wal_mode
    """
    connection = sqlite3.connect(
        path, isolation_level=None, check_same_thread=False, cached_statements=512, timeout=PATIENCE
    )
    connection.execute(f"PRAGMA cache_size = -{cache_mb * 1024}")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {write_ahead_log.LONGEST}")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA secure_delete = ON")  # so that an erasure reaches what updates have replaced before it
    connection.execute(f"PRAGMA busy_timeout = {5000 if read_only else 0}")
    if read_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def prepare(path: Path) -> None:
    """Makes the file and its tables where they are missing; safe when several workers start together.

    FhirError "unavailable" where the folder can't be written or the file has a schema that this program does not know.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)
    except (OSError, sqlite3.Error) as problem:
        raise _unwritable(path.parent, problem) from problem
    try:
        connection.execute("PRAGMA page_size = 4096")
        use_write_ahead_log(connection)
        if 0 < connection.execute("PRAGMA user_version").fetchone()[0] < schema.VERSION:
            connection.execute(f"PRAGMA busy_timeout = {CHANGE_PATIENCE * 1000:.0f}")
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            _execute(connection, schema.TABLES)
        elif version > schema.VERSION:
            raise error(
                "unavailable",
                f"{path} has the layout of version {version}; this program knows version {schema.VERSION}. "
                "Start the program that made it and export, or choose another data folder.",
            )
        if 0 < version < schema.VERSION:
            _change(connection, path, version)
        if version != schema.VERSION:
            connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as problem:
        if not os.access(path.parent, os.W_OK):
            raise _unwritable(path.parent, problem) from problem
        raise error(
            "unavailable", f"{path} can't be used as a store: {problem}. Name another data folder."
        ) from problem
    finally:
        connection.close()


def _change(connection: sqlite3.Connection, path: Path, version: int) -> None:
    """Brings a file of a former version to this one's layout."""
    log.info("the store's layout is changed", file=path.name, version=version, to=schema.VERSION)
    connection.create_function("fold", 1, fold, deterministic=True)
    connection.execute("PRAGMA secure_delete = ON")
    for step in range(version, schema.VERSION):
        _execute(connection, schema.STEPS[step])
    log.info("the store's layout is changed now", file=path.name, version=schema.VERSION)


def _execute(connection: sqlite3.Connection, statements: str) -> None:
    for statement in statements.split(";\n"):
        if statement.strip():
            connection.execute(statement)


def _unwritable(folder: Path, problem: Exception) -> FhirError:
    why = getattr(problem, "strerror", None) or problem
    return error("unavailable", f"The data folder {folder} can't be written: {why}. Name another.")


def sealed_already(path: Path) -> bool:
    """Whether what was written last is sealed (fhir_server/security/encryption); False where there is no store."""
    if not path.exists():
        return False
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        try:
            rows = connection.execute(
                "SELECT substr(body, 1, 1) FROM version WHERE body <> x'' ORDER BY seq DESC LIMIT 5"
            )
            return any(row[0] == b"\x01" for row in rows)
        except sqlite3.Error:  # what is wrong with it is told by whoever opens it
            return False
