"""What the page asks: worklist, quarantine, peers, jobs and events, as JSON below /dicom/api."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote

import msgspec
import structlog

from fhir_server.client import FhirClient
from fhir_server.codec.asgi import base_of, whole_body
from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import OPEN, Caller
from interfaces.dicom.archive.index import below
from interfaces.dicom.configuration import Peer
from interfaces.dicom.dataset.model import Model, items, text
from interfaces.dicom.fhir import Resource, read
from interfaces.dicom.services.service import Context
from interfaces.dicom.web import steps_shown
from interfaces.dicom.web.access import Access
from interfaces.dicom.web.application import TOLD, refusal
from interfaces.dicom.web.exchange import Note, json_answer
from interfaces.dicom.work import quarantine, queue
from interfaces.dicom.work.forwarding import send_again
from interfaces.dicom.work.patients import check_order
from interfaces.dicom.worklist import worklist

PREFIX = "/dicom"
JSON = "application/json"
LARGEST_BODY = 64 * 1024
MOST = 500  # entries of a list in one answer; its Link header names the next ones
Body = dict[str, Any]

log = structlog.get_logger("dicom")


class Part(NamedTuple):
    """Entries of a list, and where those that follow are; "" where these are the last."""

    entries: list[Body]
    following: str


class Administration:
    """The application beside the page's files; note: what is told of each request, None where no log is kept."""

    def __init__(self, context: Context, server: FhirClient, access: Access, note: Note | None = None) -> None:
        self._context = context
        self._access = access
        self._server = server
        self._note = note
        self._gets: dict[str, Callable[[], Awaitable[Any]]] = {
            "worklist": self._worklist,
            "quarantine": lambda: asyncio.to_thread(quarantine.held, context.archive),
            "peers": self._peers,
        }
        # given in parts: from behind the number of an entry (0: from the first on), and so many at most
        self._lists: dict[str, Callable[[int, int], list[Body]]] = {
            "jobs": lambda after, most: queue.listed(context.archive, after, most),
            "workitems": lambda after, most: steps_shown.listed(context.archive, after, most),
            "events": self._events,
        }

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        caller = OPEN
        try:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            caller = await self._access.caller(
                scope["method"], headers, base_of(scope, headers, self._context.settings)
            )
            given = await self._answer(scope, receive, caller)
            links = (
                [("link", f'<{given.following}>; rel="next"')] if isinstance(given, Part) and given.following else []
            )
            answer = json_answer(given.entries if isinstance(given, Part) else given, 200, *links, type=JSON)
        except FhirError as problem:
            answer = refusal(problem)
        except Exception as problem:
            log.error("request of the DICOM page failed", problem=type(problem).__name__, exc_info=True)
            answer = refusal(error("exception", "The server failed to answer; the failure is in its log."))
        if self._note is not None:
            told = TOLD["s" if scope["method"] in ("GET", "HEAD") else "u"]
            try:
                await self._note(scope, caller, told, answer.status, ())
            except FhirError as problem:  # what can't be audited is not given
                answer = refusal(problem)
        headers = [(name.encode(), value.encode("latin-1", "replace")) for name, value in answer.headers]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else answer.body})

    async def _answer(self, scope: dict[str, Any], receive: Any, caller: Caller) -> Any:
        path = tuple(unquote(part) for part in scope["path"][len(PREFIX) :].split("/") if part)
        if path[:1] != ("api",):
            raise error("not-found", "There is nothing here; the page is at /dicom/.")
        path = path[1:]
        others = ("Task",) if path[:1] == ("workitems",) else ()
        self._access.require_everything(caller, scope["method"], *others)
        name = path[0] if len(path) == 1 and scope["method"] in ("GET", "HEAD") else ""
        if name in self._gets:
            return await self._gets[name]()
        if name in self._lists:
            entries = await asyncio.to_thread(self._lists[name], _after(scope), MOST)
            open_entries = [entry for entry in entries if entry.get("open", True)]
            return Part(entries, f"{name}?after={entries[-1]['pk']}" if len(open_entries) == MOST else "")
        if scope["method"] == "POST":
            return await self._post(path, await _body(scope, receive), caller.name)
        raise error("not-found", f"{scope['method'][:10]} /{'/'.join(path)[:80]} is nothing that can be asked here.")

    async def _post(self, path: tuple[str, ...], body: Body, name: str) -> Any:
        match path:
            case ("quarantine", study):
                patient = await self._require(body, "patient", "Patient")
                if body.get("order"):
                    await check_order(self._server, patient, await self._require(body, "order", "ServiceRequest"))
                who = name if name != "anonymous" else str(body.get("by") or "a person at the page")[:100]
                given = (study, body["patient"], body.get("order") or "", who)
                await asyncio.to_thread(quarantine.reconcile, self._context.archive, *given)
                return {"reconciled": study}
            case ("workitems", uid, "cancel"):
                await asyncio.to_thread(steps_shown.cancel, self._context.archive, uid, name)
                return {"asked": uid}
            case ("jobs", pk, "again") if pk.isdigit():
                if not await asyncio.to_thread(queue.again, self._context.archive, int(pk)):
                    raise error("not-found", f"There is no job {pk} that waits.")
                return {"again": int(pk)}
            case ("peers", title, "echo"):
                return await self._ask(title, "echo")
            case ("peers", title, "find"):
                return await self._ask(title, "find", _keys(body))
            case ("peers", title, "fetch"):
                return await self._ask(title, "fetch", _required(body, "study"))
            case ("peers", title, "send"):
                self._peer(title)
                study = _required(body, "study")
                await asyncio.to_thread(send_again, self._context.archive, title, study)
                return {"queued": f"{title} {study}"}
        raise error("not-found", f"POST /{'/'.join(path)[:80]} is nothing that can be asked here.")

    async def _require(self, body: Body, name: str, type: str) -> Resource:
        given = _required(body, name)
        kind, _, id = given.partition("/")
        if kind != type or not id:
            raise error("value", f"{name} must be a reference such as {type}/17, not {given[:60]}.")
        return await read(self._server, given)

    async def _ask(self, title: str, service: str, *arguments: Any) -> Any:
        from interfaces.dicom.scu import services

        peer = self._peer(title)
        try:
            given = await asyncio.to_thread(getattr(services, service), self._context, peer, *arguments)
        except OSError as problem:
            raise error("unavailable", f"{problem}.") from problem
        return {service: round(given, 1) if isinstance(given, float) else given}

    def _peer(self, title: str) -> Peer:
        peer = self._context.configuration.peers().named(title)
        if peer is None:
            raise error("not-found", f"{title[:16]} is none of the peers; {self._context.configuration.path} has them.")
        return peer

    async def _peers(self) -> Any:
        peers = self._context.configuration.peers()
        return {
            "ae_title": self._context.settings.dicom_ae_title,
            "file": str(self._context.configuration.path),
            "peers": msgspec.to_builtins(peers.peer),
            "forward": msgspec.to_builtins(peers.forward),
        }

    async def _worklist(self) -> list[Body]:
        return [_shown(entry.item) for entry in await worklist(self._server, zone=self._context.settings.timezone)]

    def _events(self, after: int, most: int) -> list[Body]:
        """What happened, the last first."""
        earlier = {"pk": below(after)} if after else {}
        rows = self._context.archive.reading.all("event", earlier, newest=True, limit=most)
        names = ("pk", "at", "kind", "subject")
        return [{**{name: row[name] for name in names}, "detail": msgspec.json.decode(row["detail"])} for row in rows]


def _after(scope: dict[str, Any]) -> int:
    """The number of the entry behind which a list is to begin."""
    given = parse_qs(scope["query_string"].decode("latin-1")).get("after", ["0"])[0]
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise error("value", f"after is the number of an entry, not {given[:20]}; leave it out for the first.")
    return int(given)


def _shown(item: Model) -> Body:
    step = next(iter(items(item, "00400100")), {})
    names = {
        "patient_id": "00100020",
        "patient_name": "00100010",
        "accession": "00080050",
        "procedure": "00321060",
        "priority": "00401003",
        "study": "0020000D",
    }
    scheduled = {"modality": "00080060", "station": "00400001", "date": "00400002", "time": "00400003"}
    return {
        **{name: text(item, tag) for name, tag in names.items()},
        **{name: text(step, tag) for name, tag in scheduled.items()},
    }


def _keys(body: Body) -> Model:
    """Keys of a study query of plain names: patient_id, patient_name, date, accession."""
    tags = {"patient_id": ("00100020", "LO"), "date": ("00080020", "DA"), "accession": ("00080050", "SH")}
    keys: Model = {"00080052": {"vr": "CS", "Value": ["STUDY"]}, "0020000D": {"vr": "UI"}, "00081030": {"vr": "LO"}}
    for name, (tag, vr) in tags.items():
        keys[tag] = {"vr": vr, "Value": [str(body[name])]} if body.get(name) else {"vr": vr}
    given = str(body.get("patient_name") or "")
    keys["00100010"] = {"vr": "PN", "Value": [{"Alphabetic": given}]} if given else {"vr": "PN"}
    return keys


def _required(body: Body, name: str) -> str:
    given = body.get(name)
    if not isinstance(given, str) or not given:
        raise error("required", f"The body needs {name}, a text.")
    return given


async def _body(scope: dict[str, Any], receive: Any) -> Body:
    type = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    if not type.startswith(b"application/json"):  # what a form of another site can't send
        raise error("unsupported-media", "Send Content-Type: application/json.")
    content = await whole_body(receive, LARGEST_BODY, "The body is larger than 64 KiB.")
    try:
        found = msgspec.json.decode(content or b"{}")
    except msgspec.DecodeError as problem:
        raise error("malformed", f"The body is no JSON: {problem}.") from problem
    if not isinstance(found, dict):
        raise error("malformed", "The body must be a JSON object.")
    return found
