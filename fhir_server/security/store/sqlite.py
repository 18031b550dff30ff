"""`AccountStore` in a file: small documents by key, one table a kind, every change durable before it is answered."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from fhir_server.core.errors import error
from fhir_server.core.news import News
from fhir_server.core.ports import Clock
from fhir_server.security.model import Client, Code, Refresh, Session, User
from fhir_server.security.private_file import opening
from fhir_server.security.store.port import Family, SigningKey, digest

FILE_NAME = "security.sqlite"
VERSION = 1
LOOK_EVERY = 1.0  # seconds between two looks whether somebody has changed the file without telling
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
CREATE TABLE known_place (user TEXT, place TEXT, PRIMARY KEY (user, place)) WITHOUT ROWID;
"""

# Not there in the first files of layout 1.
ADDED = (
    """CREATE TABLE IF NOT EXISTS pending (id TEXT PRIMARY KEY, expires INTEGER NOT NULL, document BLOB NOT NULL)
    WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS asked (subject TEXT PRIMARY KEY, minute INTEGER NOT NULL, count INTEGER NOT NULL)
    WITHOUT ROWID""",
)

T = TypeVar("T")


class SqliteAccounts:
    """One file; several workers share it. Every call is one statement or one transaction, and takes effect at once."""

    def __init__(self, path: Path, clock: Clock) -> None:
        with opening(path) as self._connection:
            self._prepare()
        self._news = News(path.with_suffix(".news"))
        self._told = self._connection.total_changes
        self._seen = b""
        self._looked_at = 0.0
        self._looked = 0
        self._good: dict[tuple[str, str], bool] = {}
        self.clock = clock

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
        for statement in ADDED:
            connection.execute(statement)
        connection.execute("COMMIT")

    async def close(self) -> None:
        """Closes the file."""
        self._connection.close()
        self._news.close()

    def _execute(self, sql: str, parameters: Sequence[Any] = ()) -> sqlite3.Cursor:
        """Runs a statement, and tells all processes once what it changed is stored."""
        connection = self._connection
        cursor = connection.execute(sql, parameters)
        if connection.total_changes != self._told and not connection.in_transaction:
            self._told = connection.total_changes
            self._news.tell()
        return cursor

    def _document(self, kind: type[T], sql: str, *parameters: Any) -> T | None:
        row = self._execute(sql, parameters).fetchone()
        return msgspec.json.decode(row[0], type=kind) if row else None

    def _together(self, work: Callable[[], T]) -> T:
        """Runs several calls in one transaction."""
        self._execute("BEGIN IMMEDIATE")
        try:
            result = work()
        except BaseException:
            self._execute("ROLLBACK")
            raise
        self._execute("COMMIT")
        return result

    # ------------------------------------------------------------------ users and clients
    async def user(self, id: str) -> User | None:
        """A user by id."""
        return self._document(User, "SELECT document FROM user WHERE id = ?", id)

    async def user_named(self, name: str) -> User | None:
        """A user by the name that signs in, whatever its case."""
        return self._document(User, "SELECT document FROM user WHERE name = ?", name.casefold())

    async def users(self) -> list[User]:
        """All users by name."""
        rows = self._execute("SELECT document FROM user ORDER BY name")
        return [msgspec.json.decode(row[0], type=User) for row in rows]

    async def put_user(self, user: User) -> None:
        """Keeps a user; FhirError "conflict" where another has the name."""
        try:
            self._execute(
                "INSERT INTO user VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
                "document = excluded.document",
                (user.id, user.name.casefold(), msgspec.json.encode(user)),
            )
        except sqlite3.IntegrityError:
            raise error("conflict", f"There is a user {user.name} already.") from None

    async def remove_user(self, id: str) -> None:
        """Removes a user and ends what was given to it."""

        def work() -> None:
            self._execute("DELETE FROM user WHERE id = ?", (id,))
            self._execute("DELETE FROM session WHERE user = ?", (id,))
            self._execute("UPDATE family SET revoked = 1 WHERE user = ?", (id,))

        self._together(work)

    async def client(self, id: str) -> Client | None:
        """A client by id."""
        return self._document(Client, "SELECT document FROM client WHERE id = ?", id)

    async def clients(self) -> list[Client]:
        """All clients by id."""
        rows = self._execute("SELECT document FROM client ORDER BY id")
        return [msgspec.json.decode(row[0], type=Client) for row in rows]

    async def put_client(self, client: Client) -> None:
        """Keeps a client."""
        self._execute("INSERT OR REPLACE INTO client VALUES (?, ?)", (client.id, msgspec.json.encode(client)))

    async def remove_client(self, id: str) -> None:
        """Removes a client and ends what was given to it."""

        def work() -> None:
            self._execute("DELETE FROM client WHERE id = ?", (id,))
            self._execute("UPDATE family SET revoked = 1 WHERE client = ?", (id,))

        self._together(work)

    # ------------------------------------------------------------------ signing keys
    async def signing_keys(self) -> list[SigningKey]:
        """Every key, newest first."""
        rows = self._execute("SELECT kid, algorithm, begun, jwk FROM signing_key ORDER BY begun DESC, kid")
        return [SigningKey(kid, algorithm, begun, msgspec.json.decode(jwk)) for kid, algorithm, begun, jwk in rows]

    async def add_signing_key(self, kid: str, algorithm: str, jwk: dict[str, Any]) -> None:
        """Keeps a key."""
        self._execute(
            "INSERT OR IGNORE INTO signing_key VALUES (?, ?, ?, ?)",
            (kid, algorithm, self.clock(), msgspec.json.encode(jwk)),
        )

    # ------------------------------------------------------------------ sessions
    async def put_session(self, secret: str, session: Session) -> None:
        """Keeps a sign-in under the secret that the browser has."""
        self._execute("DELETE FROM session WHERE expires < ?", (self.clock(),))
        self._execute(
            "INSERT OR REPLACE INTO session VALUES (?, ?, ?, ?)",
            (digest(secret), session.user, session.expires, msgspec.json.encode(session)),
        )

    async def saw_session(self, secret: str, session: Session) -> None:
        """Keeps what changed of a sign-in that goes on; one that was ended meanwhile stays so."""
        self._execute("UPDATE session SET document = ? WHERE id = ?", (msgspec.json.encode(session), digest(secret)))

    async def session(self, secret: str) -> Session | None:
        """The sign-in of a browser that goes on."""
        return self._document(
            Session, "SELECT document FROM session WHERE id = ? AND expires > ?", digest(secret), self.clock()
        )

    async def session_goes_on(self, id: str) -> bool:
        """Whether the sign-in with this id has not ended."""
        rows = self._execute("SELECT document FROM session WHERE expires > ?", (self.clock(),))
        return any(msgspec.json.decode(row[0], type=Session).id == id for row in rows)

    async def sessions(self, user: str) -> list[Session]:
        """A user's sign-ins that go on."""
        rows = self._execute("SELECT document FROM session WHERE user = ? AND expires > ?", (user, self.clock()))
        return [msgspec.json.decode(row[0], type=Session) for row in rows]

    async def end_session(self, user: str, id: str) -> None:
        """Ends a user's sign-in."""
        for key, document in self._execute("SELECT id, document FROM session WHERE user = ?", (user,)).fetchall():
            if msgspec.json.decode(document, type=Session).id == id:
                self._execute("DELETE FROM session WHERE id = ?", (key,))

    # ------------------------------------------------------------------ codes and refresh tokens
    async def put_code(self, secret: str, code: Code) -> None:
        """Keeps an authorization code and begins its family."""
        grant = code.grant

        def work() -> None:
            self._execute("DELETE FROM code WHERE expires < ?", (self.clock() - 3_600_000_000,))
            self._begin_family(grant.family, grant.user, grant.client, grant.scope)
            self._execute(
                "INSERT INTO code (digest, expires, family, document) VALUES (?, ?, ?, ?)",
                (digest(secret), code.expires, grant.family, msgspec.json.encode(code)),
            )

        self._together(work)

    async def begin_family(self, family: str, user: str, client: str, scope: str) -> None:
        """Begins what a client got without a code."""
        self._begin_family(family, user, client, scope)

    def _begin_family(self, family: str, user: str, client: str, scope: str) -> None:
        self._execute(
            "INSERT OR IGNORE INTO family (id, user, client, scope, begun) VALUES (?, ?, ?, ?, ?)",
            (family, user, client, scope, self.clock()),
        )

    async def take_code(self, secret: str) -> Code | None:
        """The code, the first time that it is shown in time; a second time revokes all that came of it."""
        return self._take("code", Code, secret)

    async def put_refresh(self, secret: str, refresh: Refresh) -> None:
        """Keeps a refresh token."""
        self._execute("DELETE FROM refresh WHERE expires < ?", (self.clock(),))
        self._execute(
            "INSERT INTO refresh (digest, family, expires, document) VALUES (?, ?, ?, ?)",
            (digest(secret), refresh.grant.family, refresh.expires, msgspec.json.encode(refresh)),
        )

    async def take_refresh(self, secret: str) -> Refresh | None:
        """The refresh token, the first time that it is shown in time; a second time revokes its family."""
        return self._take("refresh", Refresh, secret)

    async def refresh_token(self, secret: str) -> Refresh | None:
        """The refresh token if it is good, left as it is."""
        return self._document(
            Refresh,
            "SELECT r.document FROM refresh r JOIN family f ON f.id = r.family "
            "WHERE digest = ? AND expires > ? AND used = 0 AND f.revoked = 0",
            digest(secret),
            self.clock(),
        )

    async def client_of_refresh(self, secret: str) -> str:
        """The client that a refresh token was given to, used or not; "" for one that is not known."""
        found = self._document(Refresh, "SELECT document FROM refresh WHERE digest = ?", digest(secret))
        return found.grant.client if found else ""

    def _take(self, table: str, kind: type[T], secret: str) -> T | None:
        def work() -> T | None:
            row = self._execute(
                f"SELECT t.used, t.expires, t.family, t.document, f.revoked FROM {table} t "
                "JOIN family f ON f.id = t.family WHERE digest = ?",
                (digest(secret),),
            ).fetchone()
            if row is None:
                return None
            used, expires, family, document, revoked = row
            if used:
                self._execute("UPDATE family SET revoked = 1 WHERE id = ?", (family,))
                return None
            self._execute(f"UPDATE {table} SET used = 1 WHERE digest = ?", (digest(secret),))
            if revoked or expires < self.clock():
                return None
            return msgspec.json.decode(document, type=kind)

        return self._together(work)

    # ------------------------------------------------------------------ revocation
    async def revoke_family(self, family: str) -> None:
        """Ends every token of one authorization."""
        self._execute("UPDATE family SET revoked = 1 WHERE id = ?", (family,))

    async def revoke_token(self, jti: str, expires: int) -> None:
        """Ends one access token."""
        self._execute("DELETE FROM revoked_token WHERE expires < ?", (self.clock(),))
        self._execute("INSERT OR IGNORE INTO revoked_token VALUES (?, ?)", (jti, expires))

    async def good(self, family: str, jti: str) -> bool:
        """Whether neither an access token nor its family has been revoked; asked for each request.

        What was found counts until anything in the file changes, by whichever process. One that did not tell, as it was
        killed in between or is another program, is noticed within a second.
        """
        word, moment = self._news.word(), time.monotonic()
        if word != self._seen or moment - self._looked_at >= LOOK_EVERY:
            looked = self._connection.execute("PRAGMA data_version").fetchone()[0]
            if word != self._seen or looked != self._looked:
                self._good.clear()
            self._seen, self._looked, self._looked_at = word, looked, moment
        key = (family, jti)
        if key not in self._good:
            self._good[key] = self._not_revoked(family, jti)
        return self._good[key]

    def _not_revoked(self, family: str, jti: str) -> bool:
        row = self._execute(
            "SELECT revoked OR EXISTS (SELECT 1 FROM revoked_token WHERE jti = ?) FROM family WHERE id = ?",
            (jti, family),
        ).fetchone()
        return row is not None and not row[0]

    async def families(self, user: str) -> list[Family]:
        """What a user has let clients do and has not revoked, newest first."""
        rows = self._execute(
            "SELECT id, client, scope, begun FROM family WHERE user = ? AND revoked = 0 ORDER BY begun DESC", (user,)
        )
        return [Family(*row) for row in rows]

    # ------------------------------------------------------------------ launch context
    async def put_launch(self, id: str, context: dict[str, Any], expires: int) -> None:
        """Keeps what an EHR says of the app that it launches."""
        self._execute("DELETE FROM launch WHERE expires < ?", (self.clock(),))
        self._execute("INSERT INTO launch VALUES (?, ?, ?)", (digest(id), expires, msgspec.json.encode(context)))

    async def launch(self, id: str) -> dict[str, Any] | None:
        """A launch that is still good."""
        return self._document(
            dict, "SELECT document FROM launch WHERE id = ? AND expires > ?", digest(id), self.clock()
        )

    # ------------------------------------------------------------------ what waits for an answer
    async def put_pending(self, kind: str, secret: str, document: dict[str, Any], expires: int) -> None:
        """Keeps what a question was about, until it is answered."""
        self._execute("DELETE FROM pending WHERE expires < ?", (self.clock(),))
        key = digest(f"{kind}:{secret}")
        self._execute("INSERT OR REPLACE INTO pending VALUES (?, ?, ?)", (key, expires, msgspec.json.encode(document)))

    async def take_pending(self, kind: str, secret: str) -> dict[str, Any] | None:
        """What the question was about, once and in time."""
        row = self._execute(
            "DELETE FROM pending WHERE id = ? RETURNING expires, document", (digest(f"{kind}:{secret}"),)
        ).fetchone()
        return msgspec.json.decode(row[1]) if row and row[0] > self.clock() else None

    # ------------------------------------------------------------------ once only, and not too often
    async def first_use(self, issuer: str, jti: str, expires: int) -> bool:
        """Whether this identifier of an issuer was never seen before, by any worker."""
        self._execute("DELETE FROM replay WHERE expires < ?", (self.clock(),))
        inserted = self._execute("INSERT OR IGNORE INTO replay VALUES (?, ?, ?)", (issuer, jti, expires))
        return inserted.rowcount == 1

    async def locked_until(self, subject: str) -> int:
        """Until when a subject has to wait, 0 for one that need not."""
        row = self._execute("SELECT until FROM attempts WHERE subject = ?", (subject,)).fetchone()
        return row[0] if row else 0

    async def count_failure(self, subject: str) -> int:
        """Counts one more failed attempt of a subject; how many there are by now."""
        row = self._execute(
            "INSERT INTO attempts VALUES (?, 1, 0) ON CONFLICT (subject) DO UPDATE SET failed = failed + 1 "
            "RETURNING failed",
            (subject,),
        ).fetchone()
        return row[0]

    async def lock(self, subject: str, until: int) -> None:
        """Has a subject wait."""
        self._execute("UPDATE attempts SET until = ? WHERE subject = ?", (until, subject))

    async def forget_failures(self, subject: str) -> None:
        """Begins to count anew."""
        self._execute("DELETE FROM attempts WHERE subject = ?", (subject,))

    async def count_asked(self, subject: str, minute: int) -> int:
        """Counts one more request of a subject in a minute; how many there were at all workers."""
        row = self._execute(
            "INSERT INTO asked VALUES (?, ?, 1) ON CONFLICT (subject) DO UPDATE SET "
            "count = CASE WHEN minute < excluded.minute THEN 1 ELSE count + 1 END, minute = excluded.minute "
            "RETURNING count",
            (subject, minute),
        ).fetchone()
        if row[0] == 1:
            self._execute("DELETE FROM asked WHERE minute < ?", (minute,))
        return row[0]
