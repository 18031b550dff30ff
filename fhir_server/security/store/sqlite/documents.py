"""Documents by key in one file, one table a kind; what changes it is told to all processes."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.full_disk import full_disk, lacks_room
from fhir_server.core.news import News
from fhir_server.core.ports import Clock
from fhir_server.security.private_file import opening
from fhir_server.security.store.port import OFFLINE_LIFE

VERSION = 1
TABLES = """
CREATE TABLE user (id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE client (id TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE signing_key (kid TEXT PRIMARY KEY, algorithm TEXT NOT NULL, begun INTEGER NOT NULL, jwk BLOB NOT NULL)
    WITHOUT ROWID;
CREATE TABLE session (id TEXT PRIMARY KEY, user TEXT NOT NULL, expires INTEGER NOT NULL, document BLOB NOT NULL)
    WITHOUT ROWID;
CREATE TABLE code (digest TEXT PRIMARY KEY, expires INTEGER NOT NULL, family TEXT NOT NULL, used INTEGER NOT NULL
    DEFAULT 0, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE refresh (digest TEXT PRIMARY KEY, family TEXT NOT NULL, expires INTEGER NOT NULL, used INTEGER NOT NULL
    DEFAULT 0, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE family (id TEXT PRIMARY KEY, user TEXT NOT NULL, client TEXT NOT NULL, scope TEXT NOT NULL,
    begun INTEGER NOT NULL, revoked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX family_user ON family (user);
CREATE TABLE revoked_token (jti TEXT PRIMARY KEY, expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE launch (id TEXT PRIMARY KEY, expires INTEGER NOT NULL, document BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE replay (issuer TEXT, jti TEXT, expires INTEGER NOT NULL, PRIMARY KEY (issuer, jti)) WITHOUT ROWID;
CREATE TABLE attempts (subject TEXT PRIMARY KEY, failed INTEGER NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID;
"""

# By which rows are found that are few among very many: what has ended, which each new row removes; of a user.
FOUND_BY = (
    ("session", "expires"), ("code", "expires"), ("refresh", "expires"), ("revoked_token", "expires"),
    ("launch", "expires"), ("replay", "expires"), ("pending", "expires"), ("attempts", "until"), ("asked", "minute"),
    ("session", "user"), ("family", "until"), ("place", "expires"), ("place", "user"),
)  # fmt: skip

# Not there in the first files of layout 1.
ADDED = (
    """CREATE TABLE IF NOT EXISTS pending (id TEXT PRIMARY KEY, expires INTEGER NOT NULL, document BLOB NOT NULL)
    WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS asked (subject TEXT PRIMARY KEY, minute INTEGER NOT NULL, count INTEGER NOT NULL)
    WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS place (id TEXT PRIMARY KEY, user TEXT NOT NULL, expires INTEGER NOT NULL)
    WITHOUT ROWID""",
    "DROP TABLE IF EXISTS known_place",  # which nothing was ever kept in
    *(f"CREATE INDEX IF NOT EXISTS {table}_{column} ON {table} ({column})" for table, column in FOUND_BY),
)

T = TypeVar("T")


@contextmanager
def _answering() -> Iterator[None]:
    """Turns what SQLite raises inside into answers, but for IntegrityError."""
    try:
        yield
    except sqlite3.IntegrityError:
        raise
    except sqlite3.Error as problem:
        if lacks_room(problem):
            raise full_disk() from problem
        raise error("unavailable", "Users and tokens can't be kept now; try again.") from problem


class Documents:
    """One file; several workers share it. Every call is one statement or one transaction, and takes effect at once."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self.clock = clock
        with opening(path) as self._connection:
            self._prepare()
        self._news = News(path.with_suffix(".news"))
        self._told = self._connection.total_changes

    def _prepare(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            for statement in TABLES.split(";\n"):
                if statement.strip():
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        elif version != VERSION:
            raise error("unavailable", f"The security database has layout {version}; this program knows {VERSION}.")
        if not any(row[1] == "until" for row in connection.execute("PRAGMA table_info(family)")):
            connection.execute("ALTER TABLE family ADD COLUMN until INTEGER")
        for statement in ADDED:
            connection.execute(statement)
        still = self.clock() + OFFLINE_LIFE  # how long what an older program began can give tokens is not known
        connection.execute("UPDATE family SET until = ? WHERE until IS NULL", (still,))
        connection.execute("COMMIT")

    async def close(self) -> None:
        """Closes the file."""
        self._connection.close()
        self._news.close()

    def _execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Runs a statement, and tells all processes once what it changed is stored."""
        connection = self._connection
        with _answering():
            cursor = connection.execute(sql, parameters)
        if connection.total_changes != self._told and not connection.in_transaction:
            self._told = connection.total_changes
            self._news.tell()
        return cursor

    def _row(self, sql: str, parameters: Sequence[Any] = ()) -> Any:
        """The first row of a statement, which is done only once that was fetched where it changes what it returns."""
        with _answering():
            return self._execute(sql, parameters).fetchone()

    def _document(self, kind: type[T], sql: str, *parameters: Any) -> T | None:
        row = self._row(sql, parameters)
        return msgspec.json.decode(row[0], type=kind) if row else None

    def _together(self, work: Callable[[], T]) -> T:
        """Runs several calls in one transaction."""
        self._execute("BEGIN IMMEDIATE")
        try:
            result = work()
        except BaseException:
            if self._connection.in_transaction:  # a full disk has SQLite undo it by itself
                self._execute("ROLLBACK")
            raise
        self._execute("COMMIT")
        return result
