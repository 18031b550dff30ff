"""FHIR servers as callers see them: one call, whether the server is this process or behind HTTP."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import httpx
import msgspec

from fhir_server.api import FhirServer, Request, Response
from fhir_server.codec import json
from fhir_server.core.errors import CATEGORIES, FhirError, Issue, error
from fhir_server.core.ports import OPEN, Caller
from fhir_server.interactions.noting import Noting

JSON_TYPE = "application/fhir+json"
BUSY = (429, 503)
ATTEMPTS = 5
AT_ONCE = 80  # identifiers in one search
PAGE = "500"
LONGEST_WAIT = 30.0  # seconds before a busy server is asked again
_SPECIAL = re.compile(r"([\\,|$])")
_BY_STATUS = {category.status: name for name, category in reversed(CATEGORIES.items())}


class FhirClient(Protocol):
    """Performs an interaction; FhirServer is one in this process."""

    async def perform(self, request: Request) -> Response:
        """The answer; FhirError for every answer that is no success."""
        ...

    async def identified(self, wanted: Mapping[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
        """The current resources that have any of the identifiers (system, value) wanted of their type.

        Others may be among them, that have what is wanted of another type.
        """
        ...


class ShownToken(Protocol):
    """The access token that a server behind HTTP is shown, as it changes over time."""

    async def token(self) -> str:
        """The one to show now; FhirError "unavailable" where there is none."""
        ...

    def refused(self, token: str) -> bool:
        """Takes note that a token was refused; whether there may be another one now."""
        ...


class Recording(Protocol):
    """An audit log."""

    def record(self, event: Any) -> Awaitable[None]:
        """Done once the event is durable; FhirError "unavailable" where it can't be kept."""
        ...


class NamedClient:
    """The server of this process as a part of it calls it, such as an interface.

    What it commits, or is refused, is in the audit log under its name, with the commit itself or before it is told;
    what fails to be kept is FhirError "unavailable", so that it tries again.
    """

    def __init__(self, server: FhirServer, name: str) -> None:
        self._server = server
        self._caller = Caller(name=name, client=name)

    async def perform(self, request: Request) -> Response:
        """The answer; FhirError for every answer that is no success."""
        if request.caller is OPEN:
            request.caller = self._caller
        request.noting = Noting() if self._server.audit is not None else None
        try:
            response = await self._server.perform(request)
        except FhirError as problem:
            await self._noted(request, Response(problem.status, shown=()))
            raise
        await self._noted(request, response)
        return response

    async def identified(self, wanted: Mapping[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
        """The current resources that have any of the identifiers wanted of their type, in one look."""
        return await self._server.identified(wanted, self._caller)

    async def disclosed(
        self, to: str, address: str, told: tuple[str, str], path: str, patients: tuple[str, ...], status: int = 200
    ) -> None:
        """Keeps in the audit log that data of patients (ids) goes to another system, which to names; told: the
        interaction and its action; status: as HTTP would answer, such as 403 where it is refused.

        FhirError "unavailable" where it can't be kept: then the data must not go.
        """
        if self._server.audit is not None:
            recorded = self._server.environment.clock()
            await _keep_disclosed(self._server.audit, recorded, to, address, told, path, patients, status)

    async def _noted(self, request: Request, response: Response) -> None:
        log = self._server.audit
        if log is None or request.method == "GET":
            return
        from fhir_server.security.audit import event
        from fhir_server.security.audit.patients import Patients

        status = response.status
        asked = b""
        if not request.path and status < 400:
            asked = request.body or (json.serialize(request.resource) if request.resource is not None else b"")
        patients = Patients().of(request.path, response.body, response.told, asked, False)
        if request.noting is not None and request.noting.committed and status < 400:
            patients = request.noting.others(patients)
            if not patients:
                return
        told = event.interaction_of(request.method, request.path)
        recorded = self._server.environment.clock()
        noted = event.of_request(recorded, request.caller, told, status, "/".join(request.path), patients=patients)
        for part in event.parts_of(noted):
            await log.record(part)


class ApartClient:
    """A server elsewhere as an interface calls it that keeps an audit log of its own: what the interface gives out or
    refuses is in that; what it commits, or is refused, is in the server's."""

    def __init__(self, server: FhirClient, log: Recording, clock: Callable[[], int]) -> None:
        self.perform = server.perform
        self.identified = server.identified
        self._log = log
        self._clock = clock

    async def disclosed(
        self, to: str, address: str, told: tuple[str, str], path: str, patients: tuple[str, ...], status: int = 200
    ) -> None:
        """As `NamedClient.disclosed`."""
        await _keep_disclosed(self._log, self._clock(), to, address, told, path, patients, status)


async def _keep_disclosed(
    log: Recording,
    recorded: int,
    to: str,
    address: str,
    told: tuple[str, str],
    path: str,
    patients: tuple[str, ...],
    status: int,
) -> None:
    from fhir_server.security.audit import event

    caller = Caller(name=to, client=to)
    noted = event.of_request(recorded, caller, told, status, path, address=address, patients=patients)
    await asyncio.gather(*map(log.record, event.parts_of(noted)))


class GivenToken:
    """An access token that stays the same."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        """The token."""
        return self._token

    def refused(self, token: str) -> bool:
        """There is no other one."""
        return False


def base_url(url: str) -> str:
    """A URL that paths are added to, without a slash at its end; FhirError "value" for what is none."""
    try:
        parts = httpx.URL(url)
        if (parts.port or 0) > 65535:
            raise httpx.InvalidURL(f"Invalid port: {parts.port}")
    except httpx.InvalidURL as problem:
        raise error("value", f"{url!r} is no base URL: {problem}.") from None
    if parts.scheme not in ("http", "https") or not parts.host:
        raise error("value", f"{url!r} is no base URL; it must begin with http:// or https:// and a host.")
    return url.rstrip("/")


class HttpClient:
    """A FHIR server at a base URL, such as http://127.0.0.1:8080/fhir.

    token: what it is shown; where it refuses that (401), asking fails as "unavailable", as another token may come.
    """

    def __init__(
        self,
        base: str,
        *,
        connections: int = 8,
        transport: httpx.AsyncBaseTransport | None = None,
        token: ShownToken | None = None,
    ) -> None:
        self.base = base_url(base)
        self._token = token
        self._http = httpx.AsyncClient(
            transport=transport,
            timeout=httpx.Timeout(300, connect=10),
            limits=httpx.Limits(max_connections=connections),
        )

    async def perform(self, request: Request) -> Response:
        """The answer; a busy server is asked again a few times. FhirError "unavailable" where none answers."""
        for attempt in range(ATTEMPTS):
            answer = await self._send(request)
            if answer.status_code not in BUSY or attempt == ATTEMPTS - 1:
                break
            await asyncio.sleep(_wait(answer, attempt))
        if answer.status_code >= 400:
            raise FhirError(_BY_STATUS.get(answer.status_code, "exception"), _issues(answer))
        return Response(answer.status_code, body=answer.content, location=answer.headers.get("location", ""))

    async def identified(self, wanted: Mapping[str, Sequence[tuple[str, str]]]) -> list[dict[str, Any]]:
        """The current resources that have any of the identifiers wanted of their type: searches for some at a time."""
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for type, identifiers in wanted.items():
            for start in range(0, len(identifiers), AT_ONCE):
                some = identifiers[start : start + AT_ONCE]
                tokens = [f"{_escaped(system)}|{_escaped(value)}" for system, value in some]
                for one in await searched(self, (type,), [("identifier", ",".join(tokens))]):
                    found[type, one["id"]] = one
        return list(found.values())

    async def close(self) -> None:
        """Closes its connections."""
        await self._http.aclose()

    async def _send(self, request: Request) -> httpx.Response:
        url = "/".join([self.base, *(quote(segment, safe="$") for segment in request.path)])
        if request.query:
            url += "?" + urlencode(request.query)
        headers = {"accept": JSON_TYPE}
        if request.resource is not None:
            headers["content-type"] = JSON_TYPE
        if request.prefer:
            headers["prefer"] = f"return={request.prefer}"
        body = json.serialize(request.resource) if request.resource is not None else None
        if self._token is None:
            return await self._ask(request.method, url, body, headers)
        for _ in range(2):
            token = await self._token.token()
            answer = await self._ask(request.method, url, body, {**headers, "authorization": f"Bearer {token}"})
            if answer.status_code != 401 or not self._token.refused(token):
                break
        if answer.status_code == 401:
            raise error("unavailable", f"{self.base} refuses the token: {_issues(answer)[0].diagnostics}")
        return answer

    async def _ask(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> httpx.Response:
        try:
            return await self._http.request(method, url, content=body, headers=headers)
        except httpx.ConnectError as problem:
            raise error(
                "unavailable", f"No server answers at {self.base}; is it started, and is this its URL?"
            ) from problem
        except httpx.HTTPError as problem:
            reason = str(problem) or type(problem).__name__
            raise error("unavailable", f"{self.base} did not answer: {reason}.") from problem


class _Link(msgspec.Struct):
    relation: str
    url: str


class _Links(msgspec.Struct):
    link: list[_Link] = []


async def bodies(client: FhirClient, path: tuple[str, ...], query: Sequence[tuple[str, str]]) -> AsyncIterator[bytes]:
    """The Bundles of a search at a path as they came, each asked for by the link "next" of the one before."""
    asked = list(query)
    while asked:
        body = (await client.perform(Request("GET", path, asked))).body
        yield body
        links = msgspec.json.decode(body, type=_Links).link
        following = next((link.url for link in links if link.relation == "next"), "")
        asked = parse_qsl(urlsplit(following).query, keep_blank_values=True)


async def pages(
    client: FhirClient, path: tuple[str, ...], query: Sequence[tuple[str, str]]
) -> AsyncIterator[dict[str, Any]]:
    """The same, parsed."""
    async for body in bodies(client, path, query):
        yield json.parse(body)


async def searched(client: FhirClient, path: tuple[str, ...], query: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """All matches of a search at a path."""
    return [
        entry["resource"]
        async for bundle in pages(client, path, [*query, ("_count", PAGE), ("_total", "none")])
        for entry in bundle.get("entry", ())
        if entry.get("search", {}).get("mode", "match") == "match"
    ]


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def _wait(answer: httpx.Response, attempt: int) -> float:
    stated = answer.headers.get("retry-after", "")
    return min(float(stated) if stated.isdigit() else 0.5 * 2**attempt, LONGEST_WAIT)


def _issues(answer: httpx.Response) -> list[Issue]:
    """The issues of an OperationOutcome, as far as it is one."""
    try:
        outcome: Any = json.parse(answer.content)
        found = [
            Issue(
                issue.get("severity", "error"),
                issue.get("code", "processing"),
                issue.get("diagnostics") or issue.get("details", {}).get("text", ""),
                ", ".join(issue.get("expression", ())),
            )
            for issue in outcome["issue"]
        ]
    except (FhirError, KeyError, TypeError, AttributeError):
        found = []
    text = f"HTTP status {answer.status_code} without an OperationOutcome; is the URL a FHIR base, such as …/fhir?"
    return found or [Issue("error", "processing", text)]
