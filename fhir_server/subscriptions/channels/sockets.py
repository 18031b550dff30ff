"""The WebSockets of subscribers, at /subscriptions/websocket (https://hl7.org/fhir/R4/subscription.html#websocket).

A client sends `bind ID` and hears `bound ID`, then `ping ID` each time that something matched. Whichever process it is
connected to looks at what is kept of the Subscription; another may be the one that delivers.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fhir_server.api import FhirServer, Request
from fhir_server.codec.asgi import base_of
from fhir_server.codec.json import decode, serialize
from fhir_server.codec.websocket import NORMAL, POLICY, WebSocket
from fhir_server.core.errors import FhirError, error, operation_outcome
from fhir_server.core.ports import OPEN, Caller
from fhir_server.subscriptions.store.port import SubscriptionStore
from fhir_server.subscriptions.subscription import TYPE, WEBSOCKET, is_served

PREFIX, PATH = "/subscriptions", "/subscriptions/websocket"
LOOK_SECONDS = 0.2  # between two looks for events
CHECK_SECONDS = 10.0  # between two looks whether whoever is bound still may be
MOST_BOUND = 100  # Subscriptions of one socket
LONGEST_REASON = 100


class Sockets:
    """ASGI, for one process."""

    def __init__(self, server: FhirServer, store: SubscriptionStore) -> None:
        self._server = server
        self._store = store

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Opens a WebSocket, or says why not."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        socket = WebSocket(receive, send)
        try:
            if scope["path"] != PATH:
                raise error("not-found", f"There is nothing here; the WebSocket of Subscriptions is at {PATH}.")
            caller = await self._caller(headers, base_of(scope, headers, self._server.settings))
            await socket.open(headers)
        except FhirError as problem:
            return await _refuse(problem, send)
        bound = _Bound(self._server, self._store, socket, caller)
        await socket.run(bound.telling(), bound.hear)

    async def _caller(self, headers: dict[str, str], base: str) -> Caller | None:
        """Who opens it; None for nobody."""
        if self._server.open:
            return OPEN
        shown = "authorization" in headers or "cookie" in headers
        return await self._server.caller_of("GET", headers, base) if shown else None


class _Bound:
    """What one socket is bound to."""

    def __init__(self, server: FhirServer, store: SubscriptionStore, socket: WebSocket, caller: Caller | None) -> None:
        self._server = server
        self._store = store
        self._socket = socket
        self._caller = caller
        self._told: dict[str, int] = {}  # by id: the number of the last event

    async def hear(self, text: str) -> None:
        """Binds; what can't be is told by the reason with which the socket is closed."""
        word, _, id = text.strip().partition(" ")
        try:
            if word != "bind" or not id:
                raise error("invalid", "send: bind ID")
            if len(self._told) >= MOST_BOUND and id not in self._told:
                raise error("throttled", f"a socket can have {MOST_BOUND} Subscriptions; open another")
            await self._require(id)
        except FhirError as problem:
            return await self._socket.close(POLICY, str(problem)[:LONGEST_REASON])
        state = await self._store.state(id)
        self._told[id] = state.number if state is not None else 0
        await self._socket.tell(f"bound {id}")

    async def _require(self, id: str) -> None:
        """FhirError where the Subscription is not the caller's, or can't be bound to."""
        if self._caller is None:
            raise error("login", "open the WebSocket with an access token: Authorization: Bearer …")
        self._caller = await self._server.environment.callers.renewed(self._caller)
        answer = await self._server.perform(Request("GET", (TYPE, id), caller=self._caller))
        resource = decode(answer.body)
        if not self._server.open:
            maker = await self._store.maker(id)
            access = (maker.access if maker is not None else None) or {}
            whose = (access.get("client"), access.get("user", ""))
            if whose != (self._caller.client, self._caller.user):
                raise error("forbidden", f"Subscription/{id} was stored by another")
        if resource["channel"]["type"] != WEBSOCKET or not is_served(resource):
            raise error("business-rule", f"Subscription/{id} is {resource['status']}, by {resource['channel']['type']}")

    async def telling(self) -> None:
        """Tells until the socket is closed, or whoever opened it may hear no more."""
        checked = time.monotonic()
        while await self._socket.alive():
            await asyncio.sleep(LOOK_SECONDS)
            try:
                if time.monotonic() - checked > CHECK_SECONDS:
                    checked = time.monotonic()
                    for id in list(self._told):
                        await self._require(id)
                for id, number in list(self._told.items()):
                    state = await self._store.state(id)
                    if state is None:
                        return await self._socket.close(NORMAL, f"Subscription/{id} is not there any more")
                    if state.number > number:
                        self._told[id] = state.number
                        await self._require(id)
                        await self._socket.tell(f"ping {id}")
            except FhirError as problem:
                return await self._socket.close(POLICY, str(problem)[:LONGEST_REASON])


async def _refuse(problem: FhirError, send: Any) -> None:
    body = serialize(operation_outcome(problem.issues))
    headers = [(b"content-type", b"application/fhir+json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
