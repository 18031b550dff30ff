"""DICOMweb as an ASGI application: routes by shape of path, answers in pieces, errors as OperationOutcomes."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

import structlog

from fhir_server.codec import json
from fhir_server.codec.asgi import base_of, origin_of, whole_body
from fhir_server.core.errors import FhirError, error, operation_outcome
from fhir_server.core.full_disk import full_disk, lacks_room
from fhir_server.core.ports import OPEN, Caller
from fhir_server.core.settings import Settings
from fhir_server.security.credentials import REALM
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.web.access import INTERACTIONS, Access
from interfaces.dicom.web.bulk import all_bulk, bulk
from interfaces.dicom.web.data_sets import data_set
from interfaces.dicom.web.delete import delete
from interfaces.dicom.web.event_channel import serve
from interfaces.dicom.web.exchange import SWITCHING, Note, WebAnswer, WebRequest
from interfaces.dicom.web.frames import frames
from interfaces.dicom.web.qido import search
from interfaces.dicom.web.rendered import rendered, thumbnail, window
from interfaces.dicom.web.retrieve import instances, metadata
from interfaces.dicom.web.stow import store
from interfaces.dicom.web.wado_uri import wado
from interfaces.dicom.web.workitem_routes import LARGEST_STEP, WORKITEMS, WorkitemRoute

PREFIX = "/dicom-web"
_S, _SE, _I = ("studies", "*"), ("series", "*"), ("instances", "*")
Handler = Callable[[WebRequest], WebAnswer]
# the shape of a path below the base -> what answers a GET; * is one segment, + is one or more
ROUTES: tuple[tuple[tuple[str, ...], Handler], ...] = (
    (("studies",), search),
    (("series",), search),
    (("instances",), search),
    ((*_S, "series"), search),
    ((*_S, "instances"), search),
    ((*_S, *_SE, "instances"), search),
    (_S, instances),
    ((*_S, *_SE), instances),
    ((*_S, *_SE, *_I), instances),
    ((*_S, *_I), instances),
    ((*_S, "metadata"), metadata),
    ((*_S, *_SE, "metadata"), metadata),
    ((*_S, *_SE, *_I, "metadata"), metadata),
    ((*_S, "rendered"), rendered),
    ((*_S, *_SE, "rendered"), rendered),
    ((*_S, *_SE, *_I, "rendered"), rendered),
    ((*_S, *_SE, *_I, "frames", "*", "rendered"), rendered),
    ((*_S, "thumbnail"), thumbnail),
    ((*_S, *_SE, "thumbnail"), thumbnail),
    ((*_S, *_SE, *_I, "thumbnail"), thumbnail),
    ((*_S, *_SE, *_I, "frames", "*", "thumbnail"), thumbnail),
    ((*_S, *_SE, *_I, "frames", "*", "window"), window),
    ((*_S, *_SE, *_I, "frames", "*"), frames),
    ((*_S, "bulkdata"), all_bulk),
    ((*_S, *_SE, "bulkdata"), all_bulk),
    ((*_S, *_SE, *_I, "bulkdata"), all_bulk),
    ((*_S, *_SE, *_I, "bulkdata", "+"), bulk),
    (("wado",), wado),
)
# an interaction of FHIR that scopes allow -> what the audit log calls it, and its action
TOLD = {"c": ("create", "C"), "r": ("read", "R"), "s": ("search-type", "E"), "u": ("update", "U"), "d": ("delete", "D")}
DELETABLE = (_S, (*_S, *_SE), (*_S, *_SE, *_I))
STORES = (("studies",), _S)
WORK = (("workitems",), ("subscribers",))

log = structlog.get_logger("dicom")


def fits(shape: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """Whether a path has a shape."""
    if shape[-1] == "+":
        return len(path) >= len(shape) and fits(shape[:-1], path[: len(shape) - 1])
    return len(shape) == len(path) and all(part in ("*", given) for part, given in zip(shape, path, strict=True))


class DicomWeb:
    """The application of one archive; note: what is told of each request, None where no log is kept."""

    def __init__(self, archive: Archive, settings: Settings, access: Access, note: Note | None = None) -> None:
        self._archive = archive
        self._access = access
        self._settings = settings
        self._note = note

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            answer = await self._noted(scope, receive, headers)
            if answer.status == SWITCHING:
                return await self._channel(scope, receive, send, headers)
            await self._send(send, answer, scope["method"], headers)
        except FhirError as problem:
            await self._send(send, refusal(problem), scope["method"], headers)
        except Exception as problem:
            log.error("DICOMweb request failed", problem=type(problem).__name__, exc_info=True)
            wrong = error("exception", "The server failed to answer; the failure is in its log.")
            await self._send(send, refusal(wrong), scope["method"], headers)

    async def _noted(self, scope: dict[str, Any], receive: Any, headers: dict[str, str]) -> WebAnswer:
        """The answer once the audit log has it; FhirError "unavailable" where that can't be."""
        if scope["method"] == "OPTIONS":
            return WebAnswer(204, [("allow", "GET, HEAD, POST, PUT, DELETE, OPTIONS")])
        caller, about = OPEN, set[str]()
        try:
            caller = await self._access.caller(scope["method"], headers, base_of(scope, headers, self._settings))
            answer = await self._answer(scope, receive, headers, caller, about)
        except FhirError as problem:
            answer = refusal(problem)
        except (OSError, sqlite3.Error) as problem:
            if not lacks_room(problem):
                raise
            answer = refusal(full_disk())
        if self._note is not None:
            patients = sorted(reference.removeprefix("Patient/") for reference in about - {""})
            told = TOLD[interaction_of(scope["method"], _path(scope))]
            await self._note(scope, caller, told, answer.status, tuple(patients))
        return answer

    async def _answer(
        self, scope: dict[str, Any], receive: Any, headers: dict[str, str], caller: Caller, about: set[str]
    ) -> WebAnswer:
        method = scope["method"]
        path = _path(scope)
        try:
            query = parse_qsl(scope["query_string"].decode("latin-1"), True, errors="strict", max_num_fields=200)
        except ValueError as problem:
            raise error("value", "The query is not UTF-8, or has more than 200 parameters.") from problem
        base = self._base(scope, headers)
        visible = self._access.filter(caller)
        interaction, type = interaction_of(method, path), "Task" if path[:1] in WORK else "ImagingStudy"
        writing = self._access.writing(caller, interaction, type) if interaction in "cud" else None
        request = WebRequest(method, path, query, headers, base, self._archive, about, caller.name, visible, writing)
        if path[:1] in WORK:
            return await self._workitem(request, caller, receive)
        self._access.require(caller, interaction)
        if method == "POST" and any(fits(shape, path) for shape in STORES):
            return await store(request, _chunks(receive))
        if method == "DELETE" and any(fits(shape, path) for shape in DELETABLE):
            return await asyncio.to_thread(delete, request)
        handler = next((handler for shape, handler in ROUTES if fits(shape, path)), None)
        if handler is None:
            raise error("not-found", "DICOMweb has no such path here; studies, series and instances are at /studies.")
        if method not in ("GET", "HEAD"):
            allowed = ["GET", "HEAD", *(["POST"] if any(fits(shape, path) for shape in STORES) else [])]
            raise error("not-supported", f"{method[:20]} can't be done here.", headers={"Allow": ", ".join(allowed)})
        return await asyncio.to_thread(handler, request)

    async def _workitem(self, request: WebRequest, caller: Caller, receive: Any) -> WebAnswer:
        """A request of UPS-RS, with its body as one data set."""
        method, found = request.method, [each for each in WORKITEMS if fits(each.shape, request.path)]
        route = _workitem_route(method, request.path)
        if route is None and found:
            allowed = ", ".join(each.method for each in found)
            raise error("not-supported", f"{method[:20]} can't be done here.", headers={"Allow": allowed})
        if route is None:
            raise error("not-found", "There is no such path; procedure steps are at /workitems.")
        self._access.require(caller, route.interaction, "Task")
        content = (
            b"" if route.method == "GET" else await whole_body(receive, LARGEST_STEP, "The body is larger than 4 MiB.")
        )
        return await asyncio.to_thread(lambda: route.handler(request, data_set(request, content, needed=route.body)))

    async def _channel(self, scope: dict[str, Any], receive: Any, send: Any, headers: dict[str, str]) -> None:
        """The event channel of a subscriber, for as long as the caller may have it; not for pages of other origins, nor
        by a sign-in's cookie, which a browser would send for those too."""
        if self._settings.security != "open" and "authorization" not in headers:
            raise error("login", "Open the channel with an access token: Authorization: Bearer …", headers=REALM)
        origin, own = headers.get("origin", ""), origin_of(scope, headers, self._settings.trust_proxy)
        if origin not in ("", own, *self._settings.cors_origins) and "*" not in self._settings.cors_origins:
            raise error(
                "forbidden", f"Pages of {origin[:100]} may not open a channel; cors_origins names those that may."
            )

        async def allowed() -> None:
            caller = await self._access.caller("GET", headers, base_of(scope, headers, self._settings))
            self._access.require(caller, "r", "Task")
            if self._access.filter(caller):
                raise error("forbidden", "Subscriptions need a token that may see every Task.")

        caller = await self._access.caller("GET", headers, base_of(scope, headers, self._settings))

        async def note(patients: tuple[str, ...]) -> None:
            if self._note is not None:
                await self._note(scope, caller, TOLD["r"], 200, patients)

        await serve(headers, receive, send, self._archive, _path(scope)[1].strip(), allowed, note)

    def _base(self, scope: dict[str, Any], headers: dict[str, str]) -> str:
        settings = self._settings
        if settings.dicom_web_url:
            return settings.dicom_web_url
        if settings.base_url:
            return settings.base_url.removesuffix("/fhir") + PREFIX
        return origin_of(scope, headers, settings.trust_proxy) + PREFIX

    async def _send(self, send: Any, answer: WebAnswer, method: str, headers: dict[str, str]) -> None:
        sent = [(name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers]
        origin = headers.get("origin", "")
        if origin and ("*" in self._settings.cors_origins or origin in self._settings.cors_origins):
            sent += [
                (b"access-control-allow-origin", origin.encode("latin-1")),
                (b"access-control-allow-headers", b"*, Authorization"),
                (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, DELETE, OPTIONS"),
                (b"access-control-expose-headers", b"*"),
                (b"vary", b"Origin"),
            ]
        body = answer.body
        if isinstance(body, bytes):
            sent.append((b"content-length", b"%d" % len(body)))
            await send({"type": "http.response.start", "status": answer.status, "headers": sent})
            await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})
            return
        pieces = iter(body)
        piece = await asyncio.to_thread(next, pieces, None)  # what fails at once still gets its own status
        await send({"type": "http.response.start", "status": answer.status, "headers": sent})
        while piece is not None and method != "HEAD":
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            try:
                piece = await asyncio.to_thread(next, pieces, None)
            except Exception as problem:  # its status has gone out: only a body without an end tells that it failed
                log.error("an answer was broken off", problem=str(problem))
                return
        await send({"type": "http.response.body", "body": b""})


def interaction_of(method: str, path: tuple[str, ...]) -> str:
    """The interaction, one of cruds, that a request is to FHIR of an ImagingStudy, or of a Task."""
    if path[:1] in WORK:
        route = _workitem_route(method, path)
        return route.interaction if route is not None else "r"
    searches = method in ("GET", "HEAD") and any(fits(shape, path) for shape, handler in ROUTES if handler is search)
    return "s" if searches else INTERACTIONS.get(method, "r")


def _workitem_route(method: str, path: tuple[str, ...]) -> WorkitemRoute | None:
    wanted = "GET" if method == "HEAD" else method
    return next((each for each in WORKITEMS if each.method == wanted and fits(each.shape, path)), None)


def _path(scope: dict[str, Any]) -> tuple[str, ...]:
    """The segments below the base."""
    raw = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1").split("?")[0]
    return tuple(unquote(part) for part in raw[len(PREFIX) :].split("/") if part)


def refusal(problem: FhirError) -> WebAnswer:
    """An error as an OperationOutcome."""
    headers = [("content-type", "application/fhir+json"), *problem.headers.items()]
    return WebAnswer(problem.status, headers, json.serialize(operation_outcome(problem.issues)))


async def _chunks(receive: Any) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise error("malformed", "The body was cut short.")
        if message.get("body"):
            yield message["body"]
        if not message.get("more_body"):
            return
