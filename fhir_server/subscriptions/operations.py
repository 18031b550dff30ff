"""$status, $events and $get-ws-binding-token of the Subscriptions R5 Backport.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/artifacts.html
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion, instant
from fhir_server.core.query import All, IdIn, Query
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.read import current
from fhir_server.interactions.request import Response
from fhir_server.interactions.required import require
from fhir_server.subscriptions.backport import CONTENTS, GUIDE
from fhir_server.subscriptions.channels.channel import Turn
from fhir_server.subscriptions.channels.sockets import MOST_BOUND, socket_url
from fhir_server.subscriptions.criteria import TYPE
from fhir_server.subscriptions.makers import access_of, sees_alike, whose
from fhir_server.subscriptions.notification import QUERY_EVENT, QUERY_STATUS, notification, status, told_of, visible_of
from fhir_server.subscriptions.store.port import BindingToken, SubscriptionStore, digest, state_from
from fhir_server.subscriptions.subscription import (
    WEBSOCKET,
    Subscription,
    content_of,
    require_valid,
    status_of,
    subscription_of,
)
from fhir_server.subscriptions.topics import Topics

PAGE = 200
TOKEN_SECONDS = 3600


class Operations:
    """On the Subscriptions of one server."""

    def __init__(self, store: SubscriptionStore, topics: Topics) -> None:
        self._store = store
        self._topics = topics

    def handlers(self) -> tuple[OperationHandler, ...]:
        """As they are registered."""
        definition = f"{GUIDE}/OperationDefinition/backport-subscription-"
        events = ("eventsSinceNumber", "eventsUntilNumber", "content")
        of_subscriptions: dict[str, Any] = {"instance": True, "types": (TYPE,)}
        return (
            OperationHandler("status", self.status, type=True, parameters=("id", "status"), url=f"{definition}status",
                             **of_subscriptions),
            OperationHandler("events", self.events, parameters=events, url=f"{definition}events", **of_subscriptions),
            OperationHandler("get-ws-binding-token", self.token, type=True, parameters=("id",),
                             url=f"{definition}get-ws-binding-token", **of_subscriptions),
        )  # fmt: skip

    async def status(self, environment: Environment, call: Call) -> Response:
        """How one fares, or each that the caller may see: a searchset of Parameters."""
        wanted = frozenset() if call.id else frozenset(call.parameters.texts("status"))
        entries = []
        for version in await self._named(environment, call):
            if not wanted or status_of(decode(version.body)) in wanted:
                turn = await self._turn(environment, call, version)
                url = f"{call.request.base}/{TYPE}/{version.id}/$status"
                search = {"mode": "match"}
                entries.append({"fullUrl": url, "resource": status(turn, QUERY_STATUS), "search": search})
        found = {"resourceType": "Bundle", "type": "searchset", "total": len(entries), "entry": entries}
        return Response(200, body=serialize({name: value for name, value in found.items() if value != []}))

    async def events(self, environment: Environment, call: Call) -> Response:
        """The last events again, as the caller may see them now."""
        version = (await self._named(environment, call))[0]
        turn = await self._turn(environment, call, version)
        content = str(call.parameters.one("content", turn.asked.content or CONTENTS[0]))
        if content not in CONTENTS:
            raise error("value", f"content is one of {', '.join(CONTENTS)}.", location="content")
        first = call.parameters.whole("eventsSinceNumber", 0)
        last = call.parameters.whole("eventsUntilNumber", turn.state.number)
        events = [event for event in turn.state.events if first <= event.number <= last]
        told = await told_of(environment, turn.asked.topic, content, events)
        made = notification(turn, QUERY_EVENT, environment.clock(), told, content)
        return Response(200, body=serialize(made.bundle), shown=[version, *made.shown])

    async def token(self, environment: Environment, call: Call) -> Response:
        """A token with which a WebSocket is bound to Subscriptions that the caller has stored."""
        access = access_of(call.request.caller)
        mine = []
        for version in await self._named(environment, call):
            maker = await self._store.maker(version.id)
            same = access is None or (maker is not None and whose(maker.access) == whose(access))
            if same and self._asked(environment, decode(version.body)).channel == WEBSOCKET:
                mine.append(version.id)
        if not mine:
            raise error("business-rule", "A token is for Subscriptions that you have stored with the channel "
                        "websocket: here is none.")  # fmt: skip
        if len(mine) > MOST_BOUND:
            raise error("business-rule", f"A token is for {MOST_BOUND} Subscriptions at most, and here are {len(mine)} "
                        "of yours: name some by id.")  # fmt: skip
        secret, now = secrets.token_urlsafe(32), environment.clock()
        expires = now + TOKEN_SECONDS * 1_000_000
        token = BindingToken(ids=tuple(mine), expires=expires, access=access)
        await self._store.keep_token(digest(secret), token, now)
        parameters = [
            {"name": "token", "valueString": secret},
            {"name": "expiration", "valueDateTime": instant(expires)},
            *({"name": "subscription", "valueString": id} for id in mine),
            {"name": "websocket-url", "valueUrl": socket_url(call.request.base)},
        ]
        return Response(200, body=serialize({"resourceType": "Parameters", "parameter": parameters}), shown=())

    async def _named(self, environment: Environment, call: Call) -> list[StoredVersion]:
        """The Subscriptions that a call is about, of those that the caller may see."""
        if call.id:
            require(call.request.caller, "r", TYPE)
            return [await current(environment, call.request, TYPE, call.id)]
        require(call.request.caller, "s", TYPE)
        ids = tuple(each.rpartition("/")[2] for each in call.parameters.texts("id"))
        query = Query((TYPE,), IdIn(ids) if ids else All(()), count=PAGE)
        found: list[StoredVersion] = []
        while True:
            page = await environment.index.search(query)
            found += page.matches
            if not page.next:
                return found
            query = replace(query, cursor=page.next)

    async def _turn(self, environment: Environment, call: Call, version: StoredVersion) -> Turn:
        resource = decode(version.body)
        state = state_from(await self._store.state(version.id), version.id, content_of(resource), version.seq)
        maker = await self._store.maker(version.id)
        if not sees_alike(access_of(call.request.caller), maker.access if maker is not None else None):
            state = await visible_of(environment, state)
        return Turn(environment, self._asked(environment, resource), state, version, call.request.base)

    def _asked(self, environment: Environment, resource: dict[str, Any]) -> Subscription:
        try:
            require_valid(environment, resource)
            return subscription_of(resource, environment.definitions, self._topics)
        except FhirError:  # one that is off, or of a topic that is not here any more
            return Subscription(status_of(resource), (), "")
