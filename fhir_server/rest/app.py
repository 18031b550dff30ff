"""The ASGI application: FHIR under /fhir by itself, everything else by the pages and administration beside it.

The hot interactions do not pass a framework (docs/decisions). Errors of every kind end here as an OperationOutcome.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any
from urllib.parse import quote

import structlog

from fhir_server.api import FhirServer
from fhir_server.codec.asgi import base_of
from fhir_server.codec.formats import HTML, JSON, Format, negotiate
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import ID_PATTERN
from fhir_server.core.ports import OPEN, Caller
from fhir_server.interactions.noting import Noting
from fhir_server.interactions.request import Response
from fhir_server.rest import content_coding, request_id
from fhir_server.rest.at_once import AtOnce
from fhir_server.rest.auditing import NOTHING, Auditing
from fhir_server.rest.authorization.paths import PATHS
from fhir_server.rest.cors import Cors
from fhir_server.rest.decode import READ_CONDITIONS, headers_of, path_of, request_of
from fhir_server.rest.encode import JSON_TYPE, NOT_KEPT, VARY, Answer, answer_of, error_answer, failure, version_headers
from fhir_server.rest.networks import REFUSED, Networks
from fhir_server.rest.observing import Observe, route
from fhir_server.rest.streaming import streamed

PREFIX = "/fhir"
AUTHORIZATION = frozenset(PATHS)
INERT = (b"content-security-policy", b"sandbox; default-src 'none'")  # a narrative is markup in XML
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Asgi = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
Start = Callable[[], Awaitable[FhirServer]]

log = structlog.get_logger("fhir")


class Application:
    """Routes a connection: lifespan, FHIR, or the rest."""

    def __init__(self, start: Start, beside: Callable[[FhirServer], Asgi], observe: Observe) -> None:
        self._start = start
        self._make_beside = beside
        self._observe = observe
        self._server: FhirServer | None = None
        self._beside: Asgi | None = None
        self._authorization: Asgi | None = None
        self._auditing: Auditing | None = None
        self._networks: Networks | None = None
        self.at_once: AtOnce | None = None  # see http1/host.py

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """ASGI."""
        kind = scope["type"]
        if kind == "http":
            path: str = scope["path"]
            if self._networks is not None and not self._networks.lets(scope):
                await REFUSED(scope, receive, send)
            elif self._authorization is not None and path in AUTHORIZATION:
                await self._authorization(scope, receive, send)
            elif path.startswith(PREFIX) and (len(path) == 5 or path[5] == "/"):
                await self._fhir(scope, receive, send)
            else:
                assert self._beside is not None
                await self._beside(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FhirServer]:
        """Starts the server and closes it again."""
        self._server = await self._start()
        self._beside = self._make_beside(self._server)
        self._cors = Cors(self._server.settings)
        if self._server.settings.allowed_networks:
            self._networks = Networks(self._server.settings)
        if self._server.audit is not None:
            self._auditing = Auditing(self._server)
        if self._networks is None and self._server.immediate:
            self.at_once = AtOnce(self._server, self._auditing, self._observe)
        if not self._server.open:
            from fhir_server.rest.authorization.routes import authorization_server

            self._authorization = authorization_server(self._server, self._base)
        try:
            yield self._server
        finally:
            await self._server.close()

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        started = False
        try:
            async with self.running():
                started = True
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as problem:
            log.error("start or stop failed", problem=str(problem))
            phase = "shutdown" if started else "startup"
            await send({"type": f"lifespan.{phase}.failed", "message": str(problem)})
            return
        await send({"type": "lifespan.shutdown.complete"})

    async def _fhir(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        started = time.perf_counter()
        server = self._server
        assert server is not None
        headers = headers_of(scope)
        method = scope["method"]
        format = JSON
        path: tuple[str, ...] = ()
        caller = OPEN
        asked = b""
        response = NOTHING
        criteria: Sequence[tuple[str, str]] = ()
        noting: Noting | None = None
        to_page = False
        if request_id.HEADER in headers:
            request_id.identify(headers)
        try:
            if method not in METHODS:
                raise error(
                    "not-supported", f"{method[:20]} is no method of FHIR.", headers={"Allow": ", ".join(METHODS)}
                )
            path = path_of(scope, PREFIX)
            query = scope["query_string"]
            format = _format(path, headers.get("accept", ""), _asked_format(query) if query else "")
            to_page = format.name == HTML.name and method == "GET" and not query
            if method != "OPTIONS" and not to_page and not server.open:
                known = server.recognised(headers, self._base(scope, headers))
                caller = known if known is not None else await self._caller(server, scope, headers, path)
            if method == "OPTIONS":
                answer = self._options(headers, path)
            elif to_page:
                answer = Answer(303, [(b"location", f"/#/{quote('/'.join(path), safe='/$')}".encode())], b"")
            elif method == "GET" and len(path) == 2 and not query and format is JSON and self._plain(path, headers):
                version = await server.read(path[0], path[1], caller)
                response = Response(200, version)
                answer = Answer(200, [*version_headers(version), JSON_TYPE], version.body)
            else:
                base = self._base(scope, headers)
                request = await request_of(
                    scope, receive, headers, path, base, server.settings, server.definitions, caller
                )
                asked = request.body if not path else b""
                if self._auditing is not None and request.method != "GET":
                    noting = request.noting = self._auditing.noting(scope, headers)
                criteria = request.query if path[-1:] == ("_search",) else ()
                in_body = next((value for name, value in criteria if name == "_format"), "")
                format = _format(path, headers.get("accept", ""), in_body) if in_body else format
                response = await server.perform(request)
                answer = answer_of(request, response, format, headers.get("accept", ""), server.definitions)
        except FhirError as problem:
            answer = error_answer(problem, format, server.definitions)
        except Exception:
            request_id.identify(headers)
            log.exception("request failed", method=method, route=route(path))
            answer = error_answer(failure(), format, server.definitions)
        if self._auditing is not None and method != "OPTIONS" and path != ("metadata",) and not to_page:
            try:
                await self._auditing.request(
                    scope, headers, path, caller, answer.status, response, asked, criteria, noting
                )
            except FhirError as problem:
                answer = error_answer(problem, format, server.definitions)
            if answer.stream is not None:
                answer.stream = self._auditing.followed(answer.stream, scope, headers, path, caller)
        if content_coding.worth_it(answer, scope, server.settings):
            answer = await content_coding.coded(answer, headers.get("accept-encoding", ""))
        answer.headers += [VARY, *self._cors.headers(headers.get("origin", ""))]
        if not server.open and path != ("metadata",):
            answer.headers.append(NOT_KEPT)
        if format is not JSON:
            answer.headers.append(INERT)
        if request_id.HEADER in headers:
            answer.headers.append((b"x-request-id", headers[request_id.HEADER].encode()))
        if answer.stream is not None:
            await streamed(answer, method, receive, send)
            self._observe(method, path, answer.status, time.perf_counter() - started)
            return
        answer.headers.append((b"content-length", b"%d" % len(answer.body)))
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})
        self._observe(method, path, answer.status, time.perf_counter() - started)

    @staticmethod
    def _plain(path: tuple[str, ...], headers: dict[str, str]) -> bool:
        """Whether it is a read that nothing but the id shapes."""
        return (
            path[0] != "Binary"
            and READ_CONDITIONS.isdisjoint(headers)
            and path[1][0] not in "$_"
            and ID_PATTERN.match(path[1]) is not None
        )

    async def _caller(
        self, server: FhirServer, scope: dict[str, Any], headers: dict[str, str], path: tuple[str, ...]
    ) -> Caller:
        """Who asks; FhirError "login" for nobody, except for what everybody may know."""
        if path == ("metadata",) and "authorization" not in headers:
            return OPEN
        return await server.caller_of(scope["method"], headers, self._base(scope, headers))

    def _options(self, headers: dict[str, str], path: tuple[str, ...]) -> Answer:
        if "access-control-request-method" in headers:
            return Answer(204, self._cors.preflight(headers), b"")
        return Answer(204, [(b"allow", f"{_methods_at(path)}, OPTIONS".encode())], b"")

    def _base(self, scope: dict[str, Any], headers: dict[str, str]) -> str:
        """This server's base URL as the caller sees it, unless one is set."""
        assert self._server is not None
        return base_of(scope, headers, self._server.settings)


def _format(path: tuple[str, ...], accept: str, asked: str) -> Format:
    """The format of the answer; a Binary is given as it is, whatever type that may be."""
    try:
        return negotiate(accept, asked)
    except FhirError:
        # so does an operation whose answer is no FHIR resource; it looks at what is accepted itself
        if (path[:1] == ("Binary",) and not asked) or (path and path[-1].startswith("$")):
            return JSON
        raise


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


def _asked_format(query: bytes) -> str:
    if b"_format" not in query:
        return ""
    from urllib.parse import parse_qsl

    return next((value for name, value in parse_qsl(query.decode("latin-1")) if name == "_format"), "")
