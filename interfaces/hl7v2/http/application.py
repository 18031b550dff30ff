"""The ASGI application for every path under /hl7; its errors are OperationOutcomes like those of FHIR."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Protocol

import structlog

from fhir_server.codec import json
from fhir_server.codec.asgi import not_possible, object_of, query_of, whole_body
from fhir_server.core.errors import FhirError, error, operation_outcome
from fhir_server.core.ports import OPEN, Caller
from interfaces.hl7v2.http.routes import JSON, ROUTES, Answer, Call, Route
from interfaces.hl7v2.interface import Hl7Interface

log = structlog.get_logger("hl7")

Allow = Callable[[dict[str, Any]], Awaitable[Caller]]


class Note(Protocol):
    """Keeps in the audit log that a request was answered; FhirError "unavailable" where it can't."""

    async def __call__(
        self, scope: dict[str, Any], caller: Caller, told: tuple[str, str], status: int, patients: tuple[str, ...]
    ) -> None:
        """told: the interaction and its action; patients: ids of those whose data was given or changed."""
        ...


_CHARSET = re.compile(r""";\s*charset="?([^";\s]+)""", re.IGNORECASE)
_PATTERNS = [(route, re.compile(route.path.replace("{id}", "([0-9]{1,15})") + r"/?\Z")) for route in ROUTES]


class Hl7Application:
    """Calls the route that a request asks for.

    limit: most bytes of a body; allow: who makes a request, by its ASGI scope, FhirError for a caller who may not;
    note: what is told of requests that read or change messages, refused ones too, None where no log is kept.
    """

    def __init__(self, interface: Hl7Interface, limit: int, allow: Allow, note: Note | None = None) -> None:
        self._interface = interface
        self._limit = limit
        self._allow = allow
        self._note = note

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI, scope type http."""
        headers: list[tuple[bytes, bytes]] = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
        if scope["path"] == "/hl7":  # the page's own references are relative
            headers.append((b"location", b"hl7/"))
            await send({"type": "http.response.start", "status": 308, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return
        caller = OPEN
        try:
            caller = await self._allow(scope)
            route, number = _route(scope["method"], scope["path"])
            answer = await route.handler(self._interface, await self._call(route, number, scope, receive))
        except FhirError as problem:
            headers += [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
            answer = _refusal(problem)
        except Exception:
            log.exception("hl7 request failed", path=re.sub("[0-9]+", "[id]", scope["path"])[:100])
            problem = error("exception", "The server failed to answer; the failure is in its log.")
            answer = _refusal(problem)
        try:
            await self._tell(scope, caller, answer)
        except FhirError as problem:  # what can't be audited is not given
            answer = _refusal(problem)
        body = answer.content if isinstance(answer.content, bytes) else json.serialize(answer.content)
        headers += [(b"content-type", answer.type.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _tell(self, scope: dict[str, Any], caller: Caller, answer: Answer) -> None:
        if self._note is None:
            return
        try:
            told = _route(scope["method"], scope["path"])[0].told
        except FhirError:
            return  # there is no such thing
        if told is not None:
            links = (link.split("/") for message in answer.about for link in message.links)
            patients = dict.fromkeys(parts[1] for parts in links if parts[0] == "Patient" and len(parts) > 1)
            await self._note(scope, caller, told, answer.status, tuple(patients))

    async def _call(self, route: Route, number: int, scope: dict[str, Any], receive: Any) -> Call:
        query = query_of(scope)
        _require_known(query, route.parameters, "parameter")
        body = await whole_body(receive, self._limit) if route.method == "POST" else b""
        fields = object_of(body) if route.takes == JSON else {}
        _require_known(fields, route.fields, "field")
        return Call(number, query, body, fields, _charset(scope))


def _charset(scope: dict[str, Any]) -> str:
    """The charset of the content type, "" for none."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"content-type"), "")
    found = _CHARSET.search(given)
    return found[1] if found else ""


def _require_known(given: Iterable[str], known: tuple[str, ...], what: str) -> None:
    for name in given:
        if name not in known:
            text = f"there are {', '.join(known)}" if known else "there is none"
            raise error("value", f"{name[:60]!r} is no {what} here; {text}.", location=name[:60])


def _refusal(problem: FhirError) -> Answer:
    return Answer(operation_outcome(problem.issues), "application/fhir+json", problem.status)


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
        raise not_possible(method, allowed)
    raise error("not-found", f"There is nothing at {path[:100]}; /openapi.json lists what there is under /hl7.")
