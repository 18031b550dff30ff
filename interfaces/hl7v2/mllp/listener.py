"""A port that MLLP connections come to; each process of a server listens on it (SO_REUSEPORT)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping

import structlog

from fhir_server.core.errors import FhirError, error
from interfaces.hl7v2.configuration import Listener
from interfaces.hl7v2.exchange.intake import Intake
from interfaces.hl7v2.mllp.connection import Connection
from interfaces.hl7v2.mllp.tls import listening

log = structlog.get_logger("hl7")

BACKLOG = 512
BUFFER = 256 * 1024


class MllpListener:
    """Listens from start() to stop(); port: where, once it listens; shared: other processes listen on it too."""

    def __init__(self, name: str, listener: Listener, intake: Intake, shared: bool) -> None:
        self.name = name
        self.listener = listener
        self.port = listener.port
        self.refused = 0  # connections over the limit
        self._intake = intake
        self._shared = shared
        self._connections: dict[Connection, asyncio.Task] = {}
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many there are now."""
        return len(self._connections)

    async def start(self) -> None:
        """Begins to listen; FhirError "unavailable" where the port can't be had."""
        tls = listening(self.listener.tls)
        taken = _bound(self.listener.host, self.listener.port, self._shared)
        self.port = taken.getsockname()[1]
        self._server = await asyncio.start_server(
            self._accept, sock=taken, backlog=BACKLOG, limit=BUFFER, ssl=tls, ssl_handshake_timeout=10 if tls else None
        )

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= self.listener.connections:
            self.refused += 1
            log.warning("hl7 connection over the limit", listener=self.name)
            writer.close()
            return
        connection = Connection(self.name, self.listener, self._intake, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection] = task
        try:
            await connection.serve()
        except Exception:
            log.exception("hl7 connection failed", listener=self.name)
        finally:
            del self._connections[connection]

    async def stop(self, patience: float) -> None:
        """Closes the port; what was taken is answered, as far as that takes no longer than patience."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            await connection.stop()
        tasks = list(self._connections.values())
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=patience)
            for task in late:
                task.cancel()


def require_free(listeners: Mapping[str, Listener]) -> None:
    """FhirError "unavailable" where the port of one can't be had, also by another of them or by another server that
    shares its ports among its workers; "value" where its TLS can't be."""
    with contextlib.ExitStack() as taken:
        for name, listener in listeners.items():
            listening(listener.tls)
            try:
                taken.enter_context(_bound(listener.host, listener.port, shared=False, listen=True))
            except FhirError as problem:
                hint = f"Give listener {name} another port (--hl7-port, or its port in the file of --hl7)."
                raise error("unavailable", f"{problem} {hint}") from problem


def _bound(host: str, port: int, shared: bool, listen: bool = False) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
        if listen:
            made.listen(BACKLOG)  # two that are only bound may have one port
        made.setblocking(False)
    except OSError as problem:
        made.close()
        reason = os.strerror(problem.errno) if problem.errno and problem.errno > 0 else str(problem)
        raise error("unavailable", f"{host} port {port} can't be listened on for HL7 v2: {reason}.") from problem
    return made
