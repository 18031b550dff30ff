"""A request under the FHIR base to its answer: what is asked and by whom, what comes of it, the log of it, the bytes.

The hot interactions do not pass a framework (docs/decisions). Errors of every kind end here as an OperationOutcome.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote

import structlog

from fhir_server.api import FhirServer
from fhir_server.codec.asgi import base_of
from fhir_server.codec.formats import HTML, JSON, Format, negotiate
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import ID_PATTERN
from fhir_server.core.ports import OPEN, Caller
from fhir_server.interactions.request import Request, Response
from fhir_server.rest import content_coding, request_id
from fhir_server.rest.auditing import NOTHING, Auditing
from fhir_server.rest.cors import Cors
from fhir_server.rest.decode import READ_CONDITIONS, headers_of, path_of, request_of
from fhir_server.rest.encode import (
    JSON_TYPE,
    NOT_KEPT,
    VARY,
    Answer,
    Headers,
    answer_of,
    error_answer,
    failure,
    version_headers,
)
from fhir_server.rest.observing import Observe, route
from fhir_server.rest.streaming import streamed

PREFIX = "/fhir"
INERT = (b"content-security-policy", b"sandbox; default-src 'none'")  # a narrative is markup in XML
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
METADATA = ("metadata",)  # what everybody may know

log = structlog.get_logger("fhir")


@dataclass(slots=True)
class Asked:
    """What is known of a request: of one that is refused, as far as it came.

    request: None for one that is answered without; response: NOTHING until there is one; logged: whether the audit log
    is told of it, where one is kept.
    """

    scope: dict[str, Any]
    headers: dict[str, str]
    method: str
    path: tuple[str, ...] = ()
    format: Format = JSON
    caller: Caller = OPEN
    request: Request | None = None
    response: Response = NOTHING
    logged: bool = True

    @property
    def accept(self) -> str:
        """What the caller takes."""
        return self.headers.get("accept", "")

    @property
    def bundle(self) -> bytes:
        """The body of a batch or transaction."""
        return self.request.body if self.request is not None and not self.path else b""

    @property
    def criteria(self) -> Sequence[tuple[str, str]]:
        """Those of a search that is posted, its body's among them."""
        return self.request.query if self.request is not None and self.path[-1:] == ("_search",) else ()


class Answering:
    """Of one server; auditing: None where no audit log is kept."""

    def __init__(self, server: FhirServer, auditing: Auditing | None, observe: Observe) -> None:
        self._server = server
        self._auditing = auditing
        self._observe = observe
        self._cors = Cors(server.settings)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        started = time.perf_counter()
        asked = Asked(scope, headers_of(scope), scope["method"])
        if request_id.HEADER in asked.headers:
            request_id.identify(asked.headers)
        answer = await self._answered(asked, receive)
        if self._auditing is not None and asked.logged:
            answer = await self._kept(self._auditing, asked, answer)
        if content_coding.worth_it(answer, scope, self._server.settings):
            answer = await content_coding.coded(answer, asked.headers.get("accept-encoding", ""))
        answer.headers += self._about(asked)
        await _sent(answer, asked.method, receive, send)
        self._observe(asked.method, asked.path, answer.status, time.perf_counter() - started)

    async def _answered(self, asked: Asked, receive: Any) -> Answer:
        try:
            return await self._answer(asked, receive)
        except FhirError as problem:
            return self._refused(asked, problem)
        except Exception:
            request_id.identify(asked.headers)
            log.exception("request failed", method=asked.method, route=route(asked.path))
            return self._refused(asked, failure())

    def _refused(self, asked: Asked, problem: FhirError) -> Answer:
        return error_answer(problem, asked.format, self._server.definitions)

    async def _answer(self, asked: Asked, receive: Any) -> Answer:
        """What comes of it; tells what asked has to say of it on the way."""
        method, query = asked.method, asked.scope["query_string"]
        if method not in METHODS:
            raise error("not-supported", f"{method[:20]} is no method of FHIR.", headers={"Allow": ", ".join(METHODS)})
        path = asked.path = path_of(asked.scope, PREFIX)
        asked.logged = method != "OPTIONS" and path != METADATA
        asked.format = _format(path, asked.accept, _asked_format(query) if query else "")
        if method == "OPTIONS":
            return self._options(asked)
        if method == "GET" and not query:
            if asked.format.name == HTML.name:
                asked.logged = False
                return Answer(303, [(b"location", f"/#/{quote('/'.join(path), safe='/$')}".encode())], b"")
            if len(path) == 2 and asked.format is JSON and _is_plain(path, asked.headers):
                return await self._read(asked)
        return await self._perform(asked, receive)

    async def _read(self, asked: Asked) -> Answer:
        """A read that nothing but the id shapes."""
        asked.caller = await self._caller(asked)
        version = await self._server.read(asked.path[0], asked.path[1], asked.caller)
        asked.response = Response(200, version)
        return Answer(200, [*version_headers(version), JSON_TYPE], version.body)

    async def _perform(self, asked: Asked, receive: Any) -> Answer:
        """Any interaction."""
        server, scope, headers = self._server, asked.scope, asked.headers
        asked.caller = await self._caller(asked)
        base = base_of(scope, headers, server.settings)
        request = asked.request = await request_of(
            scope, receive, headers, asked.path, base, server.settings, server.definitions, asked.caller
        )
        if self._auditing is not None and request.method != "GET":
            request.noting = self._auditing.noting(scope, headers)
        in_body = next((value for name, value in asked.criteria if name == "_format"), "")
        if in_body:
            asked.format = _format(asked.path, asked.accept, in_body)
        asked.response = await server.perform(request)
        return answer_of(request, asked.response, asked.format, asked.accept, server.definitions)

    async def _caller(self, asked: Asked) -> Caller:
        """Who asks; FhirError "login" for nobody, except for what everybody may know."""
        server, headers = self._server, asked.headers
        if server.open or (asked.path == METADATA and "authorization" not in headers):
            return OPEN
        base = base_of(asked.scope, headers, server.settings)
        known = None if server.behind else server.recognised(headers, base)
        return known if known is not None else await server.caller_of(asked.method, headers, base)

    def _options(self, asked: Asked) -> Answer:
        if "access-control-request-method" in asked.headers:
            return Answer(204, self._cors.preflight(asked.headers), b"")
        return Answer(204, [(b"allow", f"{_methods_at(asked.path)}, OPTIONS".encode())], b"")

    async def _kept(self, auditing: Auditing, asked: Asked, answer: Answer) -> Answer:
        """The answer once the audit log has it; a refusal where that can't be."""
        scope, headers, path, caller, request = asked.scope, asked.headers, asked.path, asked.caller, asked.request
        noting = request.noting if request is not None else None
        try:
            await auditing.request(
                scope, headers, path, caller, answer.status, asked.response, asked.bundle, asked.criteria, noting
            )
        except FhirError as problem:
            return self._refused(asked, problem)
        if answer.stream is not None:
            answer.stream = auditing.followed(answer.stream, scope, headers, path, caller)
        return answer

    def _about(self, asked: Asked) -> Headers:
        """The headers of every answer."""
        headers = [VARY, *self._cors.headers(asked.headers.get("origin", ""))]
        if not self._server.open and asked.path != METADATA:
            headers.append(NOT_KEPT)
        if asked.format is not JSON:
            headers.append(INERT)
        if request_id.HEADER in asked.headers:
            headers.append((b"x-request-id", asked.headers[request_id.HEADER].encode()))
        return headers


async def _sent(answer: Answer, method: str, receive: Any, send: Any) -> None:
    if answer.stream is not None:
        await streamed(answer, method, receive, send)
        return
    answer.headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


def _is_plain(path: tuple[str, ...], headers: dict[str, str]) -> bool:
    """Whether a path of a type and an id is a read that nothing else shapes."""
    return (
        path[0] != "Binary"
        and READ_CONDITIONS.isdisjoint(headers)
        and path[1][0] not in "$_"
        and ID_PATTERN.match(path[1]) is not None
    )


def _format(path: tuple[str, ...], accept: str, asked: str) -> Format:
    """The format of the answer; a Binary is given as it is, whatever type that may be."""
    try:
        return negotiate(accept, asked)
    except FhirError:
        # so does an operation whose answer is no FHIR resource; it looks at what is accepted itself
        if (path[:1] == ("Binary",) and not asked) or (path and path[-1].startswith("$")):
            return JSON
        raise


def _asked_format(query: bytes) -> str:
    if b"_format" not in query:
        return ""
    return next((value for name, value in parse_qsl(query.decode("latin-1")) if name == "_format"), "")


def _methods_at(path: tuple[str, ...]) -> str:
    """What interactions there are at a URL (https://hl7.org/fhir/R4/http.html#summary), as an Allow header has it."""
    last = path[-1] if path else ""
    if last == "_search":
        return "POST"
    if not path or last.startswith("$"):
        return "GET, HEAD, POST"
    if path[0] == "metadata" or len(path) > 2 or last == "_history":
        return "GET, HEAD"
    return "GET, HEAD, POST, PUT, PATCH, DELETE" if len(path) == 1 else "GET, HEAD, PUT, PATCH, DELETE"
