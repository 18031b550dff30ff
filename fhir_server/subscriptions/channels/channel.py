"""What a channel is: it takes up a Subscription, and tells its events in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from fhir_server.core.keys import StoredVersion
from fhir_server.interactions.environment import Environment
from fhir_server.subscriptions.store.port import Event, State
from fhir_server.subscriptions.subscription import Subscription

HOUR = 3600.0  # what a channel rests that has nothing of its own to send


class Turn(NamedTuple):
    """One Subscription as it is served at a moment.

    seen: the server as its maker sees it; asked: what it asks for; version: the resource; base: the server's base URL.
    """

    seen: Environment
    asked: Subscription
    state: State
    version: StoredVersion
    base: str


class UndeliveredError(Exception):
    """Why a notification did not arrive, for whoever subscribed."""


class Channel(Protocol):
    """One way by which notifications go."""

    async def begin(self, turn: Turn) -> None:
        """Before a Subscription becomes active; UndeliveredError where it can't."""
        ...

    async def tell(self, turn: Turn, waiting: Sequence[Event]) -> int:
        """Tells the first of the events that wait, or several; the number of the last one that was told.

        UndeliveredError where it did not arrive: then the same ones are given again.
        """
        ...

    async def rest(self, turn: Turn, now: int) -> float:
        """Where no event waits: the seconds after which it is to be asked again though nothing happens.

        What it sends of its own it notes as heard of in the state; UndeliveredError where that did not arrive.
        """
        ...
