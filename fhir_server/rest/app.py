"""The ASGI application: FHIR under /fhir by itself, everything else by the pages and administration beside it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

from fhir_server.api import FhirServer
from fhir_server.rest.answering import PREFIX, Answering
from fhir_server.rest.at_once import AtOnce
from fhir_server.rest.auditing import Auditing
from fhir_server.rest.authorization.paths import PATHS
from fhir_server.rest.networks import REFUSED, Networks
from fhir_server.rest.observing import Observe

AUTHORIZATION = frozenset(PATHS)

Asgi = Callable[[dict[str, Any], Any, Any], Awaitable[None]]
Start = Callable[[], Awaitable[FhirServer]]

log = structlog.get_logger("fhir")


class Application:
    """Routes a connection: lifespan, FHIR, or the rest."""

    def __init__(self, start: Start, beside: Callable[[FhirServer], Asgi], observe: Observe) -> None:
        self._start = start
        self._make_beside = beside
        self._observe = observe
        self._fhir: Asgi = _not_started
        self._beside: Asgi = _not_started
        self._authorization: Asgi | None = None
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
                await self._beside(scope, receive, send)
        elif kind == "lifespan":
            await self._lifespan(receive, send)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[FhirServer]:
        """Starts the server and closes it again."""
        server = await self._start()
        settings = server.settings
        auditing = Auditing(server) if server.audit is not None else None
        self._fhir = Answering(server, auditing, self._observe)
        self._beside = self._make_beside(server)
        if settings.allowed_networks:
            self._networks = Networks(settings)
        elif server.immediate:
            self.at_once = AtOnce(server, auditing, self._observe)
        if not server.open:
            from fhir_server.rest.authorization.routes import authorization_server

            self._authorization = authorization_server(server)
        try:
            yield server
        finally:
            await server.close()

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


async def _not_started(scope: dict[str, Any], receive: Any, send: Any) -> None:
    raise RuntimeError("The application answers while it is running: enter running(), or use lifespan.")
