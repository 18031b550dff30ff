"""Paths that another process of this machine answers: a request goes to its socket, once its caller may pass."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError, error, operation_outcome
from fhir_server.core.ports import OPEN, Caller
from fhir_server.core.settings import Settings
from fhir_server.rest.decode import headers_of, read_body
from fhir_server.security.outgoing.urls import climbs

if TYPE_CHECKING:
    import httpx

PASSED_ON = ("content-type", "accept")
PASSED_BACK = ("content-type", "content-disposition", "cache-control", "x-content-type-options", "allow", "retry-after")
SECONDS = 120.0
STATE = "state"  # of a subsystem, which its page asks for again and again: nothing of patients is in it

Answer = tuple[int, list[tuple[bytes, bytes]], bytes]  # status, headers, body

Allow = Callable[[dict[str, Any]], Awaitable[Caller]]
Note = Callable[[dict[str, Any], Caller, int, bytes], Awaitable[None]]


class Forwarding:
    """ASGI. path: of the Unix socket; prefix: such as /workforce; allow: the caller, or FhirError; note: what is told
    of each request, its status and what was given, None where no log is kept."""

    def __init__(self, path: str, prefix: str, settings: Settings, allow: Allow, note: Note | None = None) -> None:
        self._path = path
        self._prefix = prefix
        self._settings = settings
        self._allow = allow
        self._note = note
        self._client: httpx.AsyncClient | None = None

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI, scope type http."""
        if scope["path"] == self._prefix:  # the page's own references are relative
            location = f"{self._prefix.removeprefix('/')}/".encode()
            await _send(send, scope, 308, [(b"location", location)], b"")
            return
        caller = OPEN
        try:
            caller = await self._allow(scope)
            answer = await self._ask(scope, caller, receive)
        except FhirError as problem:
            answer = _refusal(problem)
        if self._note is not None and scope["path"] != f"{self._prefix}/{STATE}":
            try:
                await self._note(scope, caller, answer[0], answer[2])
            except FhirError as problem:  # what can't be audited is not given
                answer = _refusal(problem)
        await _send(send, scope, *answer)

    async def _ask(self, scope: dict[str, Any], caller: Caller, receive: Any) -> Answer:
        import httpx

        if climbs(scope["path"]):  # to what another role is for
            raise error("not-found", f"There is nothing here: leave . and .. out of a path below {self._prefix}.")
        headers = headers_of(scope)
        body = await read_body(receive, headers, self._settings) if scope["method"] in ("POST", "PUT", "PATCH") else b""
        if self._client is None:
            transport = httpx.AsyncHTTPTransport(uds=self._path, verify=False)  # nothing of TLS is needed, nor loaded
            self._client = httpx.AsyncClient(transport=transport, base_url="http://beside", timeout=SECONDS)
        sent = {name: headers[name] for name in PASSED_ON if name in headers}
        url = f"{scope['path']}?{scope['query_string'].decode('latin-1')}".rstrip("?")
        try:
            answer = await self._client.request(
                scope["method"], quote(url, safe="/?&=%+:,;@$!*'()-._~|"), content=body,
                headers={**sent, "x-hms-who": quote("" if caller is OPEN else caller.name)},
            )  # fmt: skip
        except httpx.HTTPError as problem:
            raise error(
                "unavailable", "The subsystem does not answer; it may be starting. Ask again in a moment."
            ) from problem
        found = [(name.encode(), answer.headers[name].encode()) for name in PASSED_BACK if name in answer.headers]
        return answer.status_code, found, answer.content


def _refusal(problem: FhirError) -> Answer:
    headers = [(name.lower().encode(), value.encode()) for name, value in problem.headers.items()]
    headers.append((b"content-type", b"application/fhir+json"))
    return problem.status, headers, serialize(operation_outcome(problem.issues))


async def _send(send: Any, scope: dict[str, Any], status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
