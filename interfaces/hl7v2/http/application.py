"""The ASGI application for every path under /hl7; its errors are OperationOutcomes like those of FHIR."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import structlog

from fhir_server.codec import json
from fhir_server.core.errors import FhirError, error, operation_outcome
from interfaces.hl7v2.http.routes import JSON, ROUTES, Answer, Call, Route
from interfaces.hl7v2.interface import Hl7Interface

log = structlog.get_logger("hl7")

Allow = Callable[[dict[str, Any]], Awaitable[Any]]

_PATTERNS = [(route, re.compile(route.path.replace("{id}", "([0-9]{1,15})") + r"/?\Z")) for route in ROUTES]


class Hl7Application:
    """Calls the route that a request asks for.

    limit: most bytes of a body; allow: raises FhirError for a request, by its ASGI scope, of a caller who may not.
    """

    def __init__(self, interface: Hl7Interface, limit: int, allow: Allow) -> None:
        self._interface = interface
        self._limit = limit
        self._allow = allow

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI, scope type http."""
        headers: list[tuple[bytes, bytes]] = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
        if scope["path"] == "/hl7":  # the page's own references are relative
            headers.append((b"location", b"hl7/"))
            await send({"type": "http.response.start", "status": 308, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            await self._allow(scope)
            route, number = _route(scope["method"], scope["path"])
            answer = await route.handler(self._interface, await self._call(route, number, scope, receive))
        except FhirError as problem:
            headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
            answer = Answer(operation_outcome(problem.issues), "application/fhir+json", problem.status)
        except Exception:
            log.exception("hl7 request failed", path=re.sub("[0-9]+", "[id]", scope["path"])[:100])
            problem = error("exception", "The server failed to answer; the failure is in its log.")
            answer = Answer(operation_outcome(problem.issues), "application/fhir+json", 500)
        body = answer.content if isinstance(answer.content, bytes) else json.serialize(answer.content)
        headers += [(b"content-type", answer.type.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _call(self, route: Route, number: int, scope: dict[str, Any], receive: Any) -> Call:
        try:
            query = dict(parse_qsl(scope["query_string"].decode("latin-1"), max_num_fields=50, errors="strict"))
        except ValueError as problem:
            raise error("value", "The query can't be read: it must be UTF-8, at most 50 parameters.") from problem
        body = await self._body(receive) if route.method == "POST" else b""
        fields: dict[str, Any] = {}
        if route.takes == JSON and body:
            found = json.parse_any(body)
            if not isinstance(found, dict):
                raise error("malformed", "The body must be a JSON object.")
            fields = found
        return Call(number, query, body, fields)

    async def _body(self, receive: Any) -> bytes:
        parts: list[bytes] = []
        size = 0
        while True:
            event = await receive()
            if event["type"] != "http.request":
                raise error("malformed", "The body broke off before its end; send all that Content-Length announces.")
            parts.append(event.get("body", b""))
            size += len(parts[-1])
            if size > self._limit:
                raise error("too-large", f"The body is larger than {self._limit // 2**20} MiB; send it in parts.")
            if not event.get("more_body"):
                return b"".join(parts)


def _route(method: str, path: str) -> tuple[Route, int]:
    wanted = "GET" if method == "HEAD" else method
    allowed = []
    for route, pattern in _PATTERNS:
        found = pattern.match(path)
        if found:
            if route.method == wanted:
                return route, int(found[1]) if found.groups() else 0
            allowed.append(route.method)
    if allowed:
        raise error(
            "not-supported", f"{method[:20]} is not possible here; possible: {', '.join(allowed)}.",
            headers={"Allow": ", ".join(allowed)},
        )  # fmt: skip
    raise error("not-found", f"There is nothing at {path[:100]}; /openapi.json lists what there is under /hl7.")
