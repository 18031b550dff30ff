"""What a WebSocket hears of a Subscription that it is bound to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhir_server.api import FhirServer
from fhir_server.codec.json import decode
from fhir_server.core.errors import error
from fhir_server.core.ports import Caller
from fhir_server.subscriptions.auditing import Disclosures
from fhir_server.subscriptions.channels.channel import Turn
from fhir_server.subscriptions.criteria import TYPE
from fhir_server.subscriptions.makers import access_of, as_maker, seen_with, sees_alike, whose
from fhir_server.subscriptions.notification import (
    EVENT,
    HANDSHAKE,
    HEARTBEAT,
    notification,
    told_of,
    visible_of,
    written,
)
from fhir_server.subscriptions.store.port import Maker, SubscriptionStore, digest, state_from
from fhir_server.subscriptions.subscription import WEBSOCKET, content_of, is_served, subscription_of
from fhir_server.subscriptions.topics import Topics

SECOND = 1_000_000


@dataclass
class Binding:
    """Of one socket. access: of whoever is bound; number: of the last event that it heard of; bundles: whether it hears
    notifications, or pings; expires: microseconds since 1970, 0 for never; heard: when it heard of it last; heartbeat:
    seconds, 0 for none."""

    id: str
    access: Mapping[str, Any] | None
    number: int
    bundles: bool
    expires: int = 0
    heard: int = 0
    heartbeat: int = 0


class Bindings:
    """Of one process."""

    def __init__(self, server: FhirServer, store: SubscriptionStore, topics: Topics) -> None:
        self._server = server
        self._store = store
        self._topics = topics
        self._disclosures = Disclosures(server)

    async def by_id(self, id: str, caller: Caller) -> Binding:
        """For a caller who may read the Subscription; FhirError where it is another's, or can't be bound to."""
        return await self._binding(id, access_of(caller), bundles=False)

    async def by_token(self, secret: str) -> list[Binding]:
        """Those of a token; FhirError "login" for none."""
        token = await self._store.token(digest(secret), self._server.environment.clock())
        if token is None:
            raise error("login", "this token is over, or none; get one by Subscription/$get-ws-binding-token")
        return [await self._binding(id, token.access, bundles=True, expires=token.expires) for id in token.ids]

    async def _binding(self, id: str, access: Mapping[str, Any] | None, *, bundles: bool, expires: int = 0) -> Binding:
        maker = await self._maker(id)
        if not self._server.open and (access is None or whose(access) != whose(maker.access)):
            raise error("forbidden", f"Subscription/{id} was stored by another")
        turn = await self._turn(id, maker)
        heartbeat = turn.asked.heartbeat if bundles else 0
        return Binding(id, access, turn.state.number, bundles, expires, self._server.environment.clock(), heartbeat)

    async def handshake(self, binding: Binding) -> str:
        """What is said first."""
        maker = await self._maker(binding.id)
        turn = await self._as_bound(await self._turn(binding.id, maker), maker, binding)
        return self._text(turn, notification(turn, HANDSHAKE, self._server.environment.clock()).bundle)

    async def news(self, binding: Binding, check: bool) -> list[str]:
        """What there is to be told; check: also looks whether it may be, though nothing is."""
        now = self._server.environment.clock()
        if 0 < binding.expires <= now:
            raise error("login", "the token is over; get a new one and bind again")
        due = binding.heartbeat > 0 and binding.heard + binding.heartbeat * SECOND <= now
        state = await self._store.state(binding.id)
        if state is not None and state.number == binding.number and not check and not due:
            return []
        maker = await self._maker(binding.id)
        turn = await self._turn(binding.id, maker)
        number, told = binding.number, []
        binding.number = turn.state.number
        turn = await self._as_bound(turn, maker, binding)
        if turn.state.number > number:
            told = await self._events(turn, number) if binding.bundles else [f"ping {binding.id}"]
        elif due:
            told = [self._text(turn, notification(turn, HEARTBEAT, now).bundle)]
        if told:
            binding.heard = now
        return told

    async def _events(self, turn: Turn, number: int) -> list[str]:
        events = [event for event in turn.state.events if event.number > number]
        together = turn.asked.max_count
        found = []
        for begin in range(0, len(events), together):
            told = await told_of(turn.seen, turn.asked.topic, turn.asked.content, events[begin : begin + together])
            made = notification(turn, EVENT, self._server.environment.clock(), told)
            await self._disclosures.note(turn, made.shown)
            found.append(self._text(turn, made.bundle))
        return found

    async def _maker(self, id: str) -> Maker:
        maker = await self._store.maker(id)
        if maker is None:
            raise error("not-found", f"Subscription/{id} is not there")
        return maker

    async def _as_bound(self, turn: Turn, maker: Maker, binding: Binding) -> Turn:
        """The turn as whoever is bound may hear of it, whose token may have less than that of the maker."""
        if sees_alike(binding.access, maker.access):
            return turn
        seen = await seen_with(self._server, binding.access)
        return turn._replace(seen=seen, state=await visible_of(seen, turn.state))

    async def _turn(self, id: str, maker: Maker) -> Turn:
        """As its maker sees it; FhirError where it is not served over a WebSocket."""
        version = await self._server.environment.store.read(TYPE, id)
        if version is None or version.deleted:
            raise error("not-found", f"Subscription/{id} is not there")
        resource = decode(version.body)
        if resource["channel"]["type"] != WEBSOCKET or not is_served(resource):
            raise error("business-rule", f"Subscription/{id} is {resource['status']}, by {resource['channel']['type']}")
        if maker.content != content_of(resource):
            raise error("business-rule", f"Subscription/{id} was stored anew; bind again")
        seen = await as_maker(self._server, maker)
        asked = subscription_of(resource, self._server.definitions, self._topics)
        state = state_from(await self._store.state(id), id, maker.content, version.seq)
        return Turn(seen, asked, state, version, maker.base)

    @staticmethod
    def _text(turn: Turn, bundle: dict[str, Any]) -> str:
        return written(turn.seen, turn, bundle).decode()
