"""The WebSockets of subscribers, at /subscriptions/websocket.

`bind ID` as it stands in R4: the server says `bound ID`, then `ping ID` each time that something matched
(https://hl7.org/fhir/R4/subscription.html). `bind-with-token TOKEN` of the Subscriptions R5 Backport: a handshake
for each Subscription of the token, then notifications (https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#websockets-1).

Whichever process a client is connected to looks at what is kept of its Subscriptions; another may be the one that
delivers.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from fhir_server.api import FhirServer, Request
from fhir_server.codec.asgi import base_of
from fhir_server.codec.json import serialize
from fhir_server.codec.websocket import NORMAL, POLICY, WebSocket
from fhir_server.core.errors import FhirError, error, operation_outcome
from fhir_server.core.ports import OPEN, Caller
from fhir_server.subscriptions.channels.binding import Binding, Bindings
from fhir_server.subscriptions.criteria import TYPE

PREFIX, PATH = "/subscriptions", "/subscriptions/websocket"
LOOK_SECONDS = 0.2  # between two looks for events
CHECK_SECONDS = 10.0  # between two looks whether whoever is bound still may be
MOST_BOUND = 100  # Subscriptions of one socket
LONGEST_REASON = 100  # characters; a close frame has 123 bytes for them


def socket_url(base: str) -> str:
    """Where the WebSocket is. base: the FHIR base URL, http or https."""
    return f"ws{base.removesuffix('/fhir').removeprefix('http')}{PATH}"


class Sockets:
    """ASGI, for one process."""

    def __init__(self, server: FhirServer, bindings: Bindings) -> None:
        self._server = server
        self._bindings = bindings

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
        bound = _Bound(self._server, self._bindings, socket, caller)
        await socket.run(bound.telling(), bound.hear)

    async def _caller(self, headers: dict[str, str], base: str) -> Caller | None:
        """Who opens it; None for nobody, who may show a token later. A cookie counts for nothing: a browser would send
        it for the page of another site."""
        if self._server.open:
            return OPEN
        return await self._server.caller_of("GET", headers, base) if "authorization" in headers else None


class _Bound:
    """What one socket is bound to."""

    def __init__(self, server: FhirServer, bindings: Bindings, socket: WebSocket, caller: Caller | None) -> None:
        self._server = server
        self._bindings = bindings
        self._socket = socket
        self._caller = caller
        self._bound: dict[str, Binding] = {}

    async def hear(self, text: str) -> None:
        """Binds; what can't be is told by the reason with which the socket is closed."""
        word, _, what = text.strip().partition(" ")
        try:
            if word == "bind" and what:
                await self._require_readable(what)
                assert self._caller is not None
                self._add(await self._bindings.by_id(what, self._caller))
                await self._socket.tell(f"bound {what}")
            elif word == "bind-with-token" and what:
                for binding in await self._bindings.by_token(what):
                    await self._socket.tell(await self._bindings.handshake(binding))
                    self._add(binding)
            else:
                raise error("invalid", "send: bind ID, or bind-with-token TOKEN")
        except FhirError as problem:
            await self._socket.close(POLICY, str(problem)[:LONGEST_REASON])

    def _add(self, binding: Binding) -> None:
        if len(self._bound) >= MOST_BOUND and binding.id not in self._bound:
            raise error("throttled", f"a socket can have {MOST_BOUND} Subscriptions; open another")
        self._bound[binding.id] = binding

    async def _require_readable(self, id: str) -> None:
        if self._caller is None:
            raise error("login", "open the WebSocket with an access token: Authorization: Bearer …")
        self._caller = await self._server.environment.callers.renewed(self._caller)
        await self._server.perform(Request("GET", (TYPE, id), caller=self._caller))

    async def telling(self) -> None:
        """Tells until the socket is closed, or whoever opened it may hear no more."""
        checked = time.monotonic()
        while await self._socket.alive():
            await asyncio.sleep(LOOK_SECONDS)
            try:
                check = time.monotonic() - checked > CHECK_SECONDS
                for binding in list(self._bound.values()):
                    if check and not binding.bundles:
                        await self._require_readable(binding.id)
                    for text in await self._bindings.news(binding, check):
                        await self._socket.tell(text)
                checked = time.monotonic() if check else checked
            except FhirError as problem:
                code = NORMAL if problem.category in ("not-found", "deleted") else POLICY
                return await self._socket.close(code, str(problem)[:LONGEST_REASON])


async def _refuse(problem: FhirError, send: Any) -> None:
    body = serialize(operation_outcome(problem.issues))
    headers = [(b"content-type", b"application/fhir+json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
