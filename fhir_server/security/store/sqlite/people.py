"""Users, clients, signing keys and sign-ins in the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Any

import msgspec

from fhir_server.core.errors import error
from fhir_server.security.model import Client, Session, User
from fhir_server.security.store.port import SigningKey, digest, gone, typed
from fhir_server.security.store.sqlite.documents import Documents


class People(Documents):
    """See `AccountStore`."""

    # ------------------------------------------------------------------ users and clients
    async def user(self, id: str) -> User | None:
        """A user by id."""
        return self._document(User, "SELECT document FROM user WHERE id = ?", id)

    async def user_named(self, name: str) -> User | None:
        """A user by the name that signs in, whatever its case."""
        return self._document(User, "SELECT document FROM user WHERE name = ?", typed(name))

    async def users(self) -> list[User]:
        """All users by name."""
        rows = self._execute("SELECT document FROM user ORDER BY name")
        return [msgspec.json.decode(row[0], type=User) for row in rows]

    async def put_user(self, user: User) -> None:
        """Keeps a user; FhirError "conflict" where another has the name."""
        self._put_user(user)

    def _put_user(self, user: User) -> None:
        try:
            self._execute(
                "INSERT INTO user VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name, "
                "document = excluded.document",
                (user.id, typed(user.name), msgspec.json.encode(user)),
            )
        except sqlite3.IntegrityError:
            raise error("conflict", f"There is a user {user.name} already.") from None

    async def change_user(self, id: str, change: Callable[[User], User]) -> User:
        """What change makes of a user as it stands, kept."""

        def work() -> User:
            user = self._document(User, "SELECT document FROM user WHERE id = ?", id)
            if user is None:
                raise gone()
            user = change(user)
            self._put_user(user)
            return user

        return self._together(work)

    async def remove_user(self, id: str) -> None:
        """Removes a user and ends what was given to it."""

        def work() -> None:
            self._execute("DELETE FROM user WHERE id = ?", (id,))
            self._execute("DELETE FROM session WHERE user = ?", (id,))
            self._execute("DELETE FROM place WHERE user = ?", (id,))
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

    async def session_goes_on(self, user: str, id: str) -> bool:
        """Whether the user's sign-in with this id has not ended."""
        return any(each.id == id for each in await self.sessions(user))

    async def sessions(self, user: str) -> list[Session]:
        """A user's sign-ins that go on."""
        rows = self._execute("SELECT document FROM session WHERE user = ? AND expires > ?", (user, self.clock()))
        return [msgspec.json.decode(row[0], type=Session) for row in rows]

    async def end_session(self, user: str, id: str) -> None:
        """Ends a user's sign-in."""
        for key, document in self._execute("SELECT id, document FROM session WHERE user = ?", (user,)).fetchall():
            if msgspec.json.decode(document, type=Session).id == id:
                self._execute("DELETE FROM session WHERE id = ?", (key,))

    # ------------------------------------------------------------------ where users have signed in
    async def put_place(self, user: str, place: str, until: int) -> None:
        """Keeps, as a digest, that a user has signed in at a place."""
        self._execute("DELETE FROM place WHERE expires < ?", (self.clock(),))
        self._execute("INSERT OR REPLACE INTO place VALUES (?, ?, ?)", (digest(f"{user} {place}"), user, until))

    async def knows_place(self, user: str, place: str) -> bool:
        """Whether a user has signed in at a place, and that counts still."""
        key = digest(f"{user} {place}")
        return self._row("SELECT 1 FROM place WHERE id = ? AND expires > ?", (key, self.clock())) is not None

    async def forget_places(self, user: str) -> None:
        """Forgets where a user has signed in."""
        self._execute("DELETE FROM place WHERE user = ?", (user,))
