"""What is kept of Subscriptions beside the resources, where nobody but this server writes.

The embedded engine keeps it in a file of the data folder (sqlite.py), the distributed one in MongoDB (mongo.py);
tests/contract/test_subscription_store.py runs over both.
"""

from __future__ import annotations

import hashlib
from typing import Any, Protocol

import msgspec

SECRET = 32  # bytes


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """Who stored a Subscription as it is: access: what the token said, None where the server was open.

    content: of the resource, so that it counts for nothing else; base: the server's base URL as the maker sees it.
    """

    content: str
    base: str
    access: dict[str, Any] | None = None


class Event(msgspec.Struct, frozen=True, array_like=True):
    """Something that is to be told: number: which one it is of its Subscription, from 1; position: in the change feed;
    the version of a resource, and the method that made it; moment: microseconds since 1970."""

    number: int
    position: int
    type: str
    id: str
    version: int
    method: str
    moment: int


class State(msgspec.Struct, kw_only=True):
    """How far a Subscription has been served. content: of the resource that it is about.

    position: in the change feed, of what was looked at; number: how many events there were; delivered: how many of
    them were told, or can't be; events: the last ones, whether delivered or not; failures: tries in a row that failed;
    problem: why the last one did; heard: microseconds since 1970 of the last try that went well.
    """

    id: str
    content: str
    position: int
    number: int = 0
    delivered: int = 0
    events: list[Event] = []
    failures: int = 0
    problem: str = ""
    heard: int = 0


def state_from(kept: State | None, id: str, content: str, position: int) -> State:
    """What is kept of a Subscription, where that is about this content; else one that begins at a position."""
    return kept if kept is not None and kept.content == content else State(id=id, content=content, position=position)


class BindingToken(msgspec.Struct, frozen=True, kw_only=True):
    """What a WebSocket is bound to by a token. expires: microseconds since 1970; access: as of a Maker."""

    ids: tuple[str, ...]
    expires: int
    access: dict[str, Any] | None = None


def family_of(kept: Maker | BindingToken) -> str:
    """The authorization that it was made with, "" for none."""
    return str((kept.access or {}).get("family", ""))


def digest(secret: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(secret.encode()).hexdigest()


class SubscriptionStore(Protocol):
    """Every call takes effect at once or not at all, and is durable when it returns; FhirError "unavailable"."""

    async def secret(self) -> bytes:
        """32 bytes that nobody else knows, made when they are first asked for, the same ever after."""
        ...

    async def maker(self, id: str) -> Maker | None:
        """Who made a Subscription."""
        ...

    async def keep_maker(self, id: str, maker: Maker) -> None:
        """Keeps who made it, for whom it is from now on."""
        ...

    async def families(self) -> set[str]:
        """The authorizations that Subscriptions were made with, and sockets can be bound with (Grant.family)."""
        ...

    async def state(self, id: str) -> State | None:
        """How far it is."""
        ...

    async def states(self) -> list[State]:
        """How far each is."""
        ...

    async def keep_state(self, state: State) -> None:
        """Keeps how far it is."""
        ...

    async def keep_token(self, digest: str, token: BindingToken, now: int) -> None:
        """Keeps a token, and forgets those that are over."""
        ...

    async def token(self, digest: str, now: int) -> BindingToken | None:
        """A token that is not over."""
        ...

    async def forget(self, id: str) -> None:
        """Forgets both."""
        ...

    async def close(self) -> None:
        """Lets go of what it holds."""
        ...
