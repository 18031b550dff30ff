"""Codes, refresh tokens and what was revoked, in the file."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import TypeVar

import msgspec

from fhir_server.core.ports import Clock
from fhir_server.security.model import Code, Refresh
from fhir_server.security.store.port import ACCESS_LIFE, Family, digest
from fhir_server.security.store.sqlite.documents import Documents

LOOK_EVERY = 1.0  # seconds between two looks whether somebody has changed the file without telling

T = TypeVar("T")


class Grants(Documents):
    """See `AccountStore`."""

    def __init__(self, path: Path, clock: Clock) -> None:
        super().__init__(path, clock)
        self._seen = b""
        self._looked_at = 0.0
        self._looked = 0
        self._good: dict[tuple[str, str], bool] = {}

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
            self._gives_until(grant.family, code.expires)

        self._together(work)

    async def begin_family(self, family: str, user: str, client: str, scope: str) -> None:
        """Begins what a client got without a code."""
        self._begin_family(family, user, client, scope)

    def _begin_family(self, family: str, user: str, client: str, scope: str) -> None:
        self._execute(
            "INSERT OR IGNORE INTO family (id, user, client, scope, begun, until) VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
            (family, user, client, scope, self.clock()),
        )

    def _gives_until(self, family: str, until: int) -> None:
        self._execute("UPDATE family SET until = max(until, ?) WHERE id = ?", (until, family))

    async def take_code(self, secret: str) -> Code | None:
        """The code, the first time that it is shown in time; a second time revokes all that came of it."""
        return self._take("code", Code, secret)

    async def put_refresh(self, secret: str, refresh: Refresh) -> None:
        """Keeps a refresh token."""

        def work() -> None:
            self._execute("DELETE FROM refresh WHERE expires < ?", (self.clock(),))
            self._execute(
                "INSERT INTO refresh (digest, family, expires, document) VALUES (?, ?, ?, ?)",
                (digest(secret), refresh.grant.family, refresh.expires, msgspec.json.encode(refresh)),
            )
            self._gives_until(refresh.grant.family, refresh.expires)

        self._together(work)

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
        if self.known_good(family, jti):
            return True
        key = (family, jti)
        if key not in self._good:
            self._good[key] = self._not_revoked(family, jti)
        return self._good[key]

    def known_good(self, family: str, jti: str) -> bool:
        """Whether `good` said so and nothing has changed since; answers at once."""
        word, moment = self._news.word(), time.monotonic()
        if word != self._seen or moment - self._looked_at >= LOOK_EVERY:
            self._look(word, moment)
        return self._good.get((family, jti), False)

    def _look(self, word: bytes, moment: float) -> None:
        """Forgets what was found before anything changed."""
        looked = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if word != self._seen or looked != self._looked:
            self._good.clear()
        self._seen, self._looked, self._looked_at = word, looked, moment

    def _not_revoked(self, family: str, jti: str) -> bool:
        row = self._row(
            "SELECT revoked OR EXISTS (SELECT 1 FROM revoked_token WHERE jti = ?) FROM family WHERE id = ?",
            (jti, family),
        )
        return row is not None and not row[0]

    async def families(self, user: str) -> list[Family]:
        """What a user has let clients do and has not revoked, newest first."""
        rows = self._execute(
            "SELECT id, client, scope, begun FROM family WHERE user = ? AND revoked = 0 ORDER BY begun DESC", (user,)
        )
        return [Family(*row) for row in rows]

    async def forget_families(self, named: Collection[str]) -> None:
        """Forgets those of which nothing can count any more, but for those that are spoken of elsewhere."""
        self._execute(
            "DELETE FROM family WHERE until < ? AND id NOT IN (SELECT value FROM json_each(?))",
            (self.clock() - ACCESS_LIFE, msgspec.json.encode(list(named)).decode()),
        )
