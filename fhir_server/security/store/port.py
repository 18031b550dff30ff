"""What security keeps of users, clients, sessions and grants, and promises about it.

The embedded engine keeps it in a file of the data folder (sqlite.py), the distributed one in MongoDB (mongo.py), where
a token, a sign-in and a revocation hold on every machine; tests/contract/test_accounts.py runs over both. Secrets that
are shown once (codes, tokens, session ids) are kept as SHA-256 digests only. Times are microseconds since 1970 UTC.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection
from typing import Any, NamedTuple, Protocol
from unicodedata import normalize

from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Clock
from fhir_server.security.model import Client, Code, Refresh, Session, User

FORGOTTEN = 86_400_000_000  # microseconds after which failed attempts count no more
OFFLINE_LIFE = 90 * 24 * 3600 * 1_000_000  # microseconds without use after which the longest refresh token ends
# Microseconds after the last code and refresh token of a family have ended, in which what they gave may still count:
# longer than an access token is good for (token_seconds), and than a code that is shown again revokes what came of it.
ACCESS_LIFE = 2 * 24 * 3600 * 1_000_000


def typed(name: str) -> str:
    """A user's name as it is told from others: whatever its case, and however its accents are composed
    (https://www.rfc-editor.org/rfc/rfc8265#section-3.3)."""
    return normalize("NFC", normalize("NFC", name).casefold())


def digest(secret: str) -> str:
    """What is kept of a secret that was given out."""
    return hashlib.sha256(secret.encode()).hexdigest()


def gone() -> FhirError:
    """That there is no such user any more."""
    return error("login", "There is no such account here.")


class SigningKey(NamedTuple):
    """A key that tokens are signed with; jwk: the private one."""

    kid: str
    algorithm: str
    begun: int
    jwk: dict[str, Any]


class Family(NamedTuple):
    """What a user has let a client do: all tokens of one authorization."""

    id: str
    client: str
    scope: str
    begun: int


class AccountStore(Protocol):
    """Every call takes effect at once or not at all, and is durable when it returns."""

    clock: Clock

    # ------------------------------------------------------------------ users and clients
    async def user(self, id: str) -> User | None:
        """A user by id."""
        ...

    async def user_named(self, name: str) -> User | None:
        """A user by the name that signs in, whatever its case."""
        ...

    async def users(self) -> list[User]:
        """All users by name."""
        ...

    async def put_user(self, user: User) -> None:
        """Keeps a user, whatever was kept before; FhirError "conflict" where another has the name."""
        ...

    async def change_user(self, id: str, change: Callable[[User], User]) -> User:
        """What change makes of a user as it stands, kept: nothing that others change meanwhile is lost.

        change may be called again. FhirError "login" where there is no such user, and what change raises.
        """
        ...

    async def remove_user(self, id: str) -> None:
        """Removes a user and ends what was given to it."""
        ...

    async def client(self, id: str) -> Client | None:
        """A client by id."""
        ...

    async def clients(self) -> list[Client]:
        """All clients by id."""
        ...

    async def put_client(self, client: Client) -> None:
        """Keeps a client."""
        ...

    async def remove_client(self, id: str) -> None:
        """Removes a client and ends what was given to it."""
        ...

    # ------------------------------------------------------------------ signing keys
    async def signing_keys(self) -> list[SigningKey]:
        """Every key, newest first."""
        ...

    async def add_signing_key(self, kid: str, algorithm: str, jwk: dict[str, Any]) -> None:
        """Keeps a key, which is the newest from now on."""
        ...

    # ------------------------------------------------------------------ sessions
    async def put_session(self, secret: str, session: Session) -> None:
        """Keeps a sign-in under the secret that the browser has."""
        ...

    async def saw_session(self, secret: str, session: Session) -> None:
        """Keeps what changed of a sign-in that goes on; one that was ended meanwhile stays so."""
        ...

    async def session(self, secret: str) -> Session | None:
        """The sign-in of a browser that goes on."""
        ...

    async def session_goes_on(self, user: str, id: str) -> bool:
        """Whether the user's sign-in with this id has not ended."""
        ...

    async def sessions(self, user: str) -> list[Session]:
        """A user's sign-ins that go on."""
        ...

    async def end_session(self, user: str, id: str) -> None:
        """Ends a user's sign-in."""
        ...

    # ------------------------------------------------------------------ where users have signed in
    async def put_place(self, user: str, place: str, until: int) -> None:
        """Keeps, as a digest, that a user has signed in at a place."""
        ...

    async def knows_place(self, user: str, place: str) -> bool:
        """Whether a user has signed in at a place, and that counts still."""
        ...

    async def forget_places(self, user: str) -> None:
        """Forgets where a user has signed in."""
        ...

    # ------------------------------------------------------------------ codes and refresh tokens
    async def begin_family(self, family: str, user: str, client: str, scope: str) -> None:
        """Begins what a client gets; nothing where it was begun before."""
        ...

    async def put_code(self, secret: str, code: Code) -> None:
        """Keeps an authorization code and begins its family."""
        ...

    async def take_code(self, secret: str) -> Code | None:
        """The code, the first time that it is shown in time; a second time revokes all that came of it."""
        ...

    async def put_refresh(self, secret: str, refresh: Refresh) -> None:
        """Keeps a refresh token."""
        ...

    async def take_refresh(self, secret: str) -> Refresh | None:
        """The refresh token, the first time that it is shown in time; a second time revokes its family."""
        ...

    async def refresh_token(self, secret: str) -> Refresh | None:
        """The refresh token if it is good, left as it is."""
        ...

    async def client_of_refresh(self, secret: str) -> str:
        """The client that a refresh token was given to, used or not; "" for one that is not known."""
        ...

    # ------------------------------------------------------------------ revocation
    async def revoke_family(self, family: str) -> None:
        """Ends every token of one authorization."""
        ...

    async def revoke_token(self, jti: str, expires: int) -> None:
        """Ends one access token."""
        ...

    async def good(self, family: str, jti: str) -> bool:
        """Whether neither an access token nor its family has been revoked; asked for each request."""
        ...

    def known_good(self, family: str, jti: str) -> bool:
        """Whether `good` said so and that counts still; answers at once."""
        ...

    async def families(self, user: str) -> list[Family]:
        """What a user has let clients do and has not revoked, newest first."""
        ...

    async def forget_families(self, named: Collection[str]) -> None:
        """Forgets those of which nothing can count any more: no code and no refresh token is left to be shown, and what
        they gave last has ended. named: those that are spoken of elsewhere, which stay."""
        ...

    # ------------------------------------------------------------------ launch context, and what waits for an answer
    async def put_launch(self, id: str, context: dict[str, Any], expires: int) -> None:
        """Keeps what an EHR says of the app that it launches."""
        ...

    async def launch(self, id: str) -> dict[str, Any] | None:
        """A launch that is still good."""
        ...

    async def put_pending(self, kind: str, secret: str, document: dict[str, Any], expires: int) -> None:
        """Keeps what a question was about, until it is answered."""
        ...

    async def take_pending(self, kind: str, secret: str) -> dict[str, Any] | None:
        """What the question was about, once and in time."""
        ...

    # ------------------------------------------------------------------ once only, and not too often
    async def first_use(self, issuer: str, jti: str, expires: int) -> bool:
        """Whether this identifier of an issuer was never seen before, by any worker."""
        ...

    async def locked_until(self, subject: str) -> int:
        """Until when a subject has to wait, 0 for one that need not."""
        ...

    async def count_failure(self, subject: str) -> int:
        """Counts one more failed attempt of a subject; how many there are by now.

        Failures are forgotten FORGOTTEN after the last one, or after the wait that it led to.
        """
        ...

    async def lock(self, subject: str, until: int) -> None:
        """Has a subject wait."""
        ...

    async def forget_failures(self, subject: str) -> None:
        """Begins to count anew."""
        ...

    async def count_asked(self, subject: str, minute: int) -> int:
        """Counts one more request of a subject in a minute of its own number; how many there were at all workers."""
        ...

    async def close(self) -> None:
        """Lets go of what it holds."""
        ...
