"""`SubscriptionStore` in a file of the data folder that the workers of one machine share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from sqlite3 import Connection, Error

import msgspec

from fhir_server.core.errors import error
from fhir_server.security.private_file import opening
from fhir_server.subscriptions.store.port import SECRET, BindingToken, Maker, State, family_of

FILE_NAME = "subscriptions.sqlite"
TABLES = (
    "CREATE TABLE IF NOT EXISTS maker (id TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS state (id TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS token (id TEXT PRIMARY KEY, expires INTEGER NOT NULL, document BLOB NOT NULL) "
    "WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS secret (id TEXT PRIMARY KEY, document BLOB NOT NULL) WITHOUT ROWID",
)


class SqliteSubscriptions:
    """See the port; the file is opened where there is something to keep."""

    def __init__(self, path: Path, synchronous: str = "FULL") -> None:
        self._path = path
        self._synchronous = synchronous

    @cached_property
    def _connection(self) -> Connection:
        with opening(self._path) as connection:
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            for table in TABLES:
                connection.execute(table)
        return connection

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except Error as problem:
            raise error("unavailable", f"What is kept of Subscriptions can't be used now: {problem}.") from problem

    def _found(self, table: str, id: str) -> bytes | None:
        with self._answering():
            row = self._connection.execute(f"SELECT document FROM {table} WHERE id = ?", (id,)).fetchone()
        return row[0] if row else None

    def _keep(self, table: str, id: str, document: bytes) -> None:
        with self._answering():
            self._connection.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", (id, document))

    async def secret(self) -> bytes:
        """See the port."""
        while (found := self._found("secret", "headers")) is None:
            with self._answering():
                made = secrets.token_bytes(SECRET)
                self._connection.execute("INSERT OR IGNORE INTO secret VALUES ('headers', ?)", (made,))
        return found

    async def maker(self, id: str) -> Maker | None:
        """See the port."""
        found = self._found("maker", id)
        return msgspec.json.decode(found, type=Maker) if found else None

    async def keep_maker(self, id: str, maker: Maker) -> None:
        """See the port."""
        self._keep("maker", id, msgspec.json.encode(maker))

    async def families(self) -> set[str]:
        """See the port."""
        if not self._path.exists():
            return set()
        with self._answering():
            makers = self._connection.execute("SELECT document FROM maker").fetchall()
            tokens = self._connection.execute("SELECT document FROM token").fetchall()
        found = {family_of(msgspec.json.decode(row[0], type=Maker)) for row in makers}
        return found | {family_of(msgspec.json.decode(row[0], type=BindingToken)) for row in tokens}

    async def state(self, id: str) -> State | None:
        """See the port."""
        found = self._found("state", id)
        return msgspec.json.decode(found, type=State) if found else None

    async def states(self) -> list[State]:
        """See the port."""
        with self._answering():
            rows = self._connection.execute("SELECT document FROM state ORDER BY id").fetchall()
        return [msgspec.json.decode(row[0], type=State) for row in rows]

    async def keep_state(self, state: State) -> None:
        """See the port."""
        self._keep("state", state.id, msgspec.json.encode(state))

    async def keep_token(self, digest: str, token: BindingToken, now: int) -> None:
        """See the port."""
        with self._answering():
            self._connection.execute("DELETE FROM token WHERE expires <= ?", (now,))
            row = (digest, token.expires, msgspec.json.encode(token))
            self._connection.execute("INSERT INTO token VALUES (?, ?, ?)", row)

    async def token(self, digest: str, now: int) -> BindingToken | None:
        """See the port."""
        found = self._found("token", digest)
        token = msgspec.json.decode(found, type=BindingToken) if found else None
        return token if token is not None and token.expires > now else None

    async def forget(self, id: str) -> None:
        """See the port."""
        with self._answering():
            for table in ("maker", "state"):
                self._connection.execute(f"DELETE FROM {table} WHERE id = ?", (id,))

    async def close(self) -> None:
        """Closes the file."""
        if "_connection" in self.__dict__:
            self._connection.close()
