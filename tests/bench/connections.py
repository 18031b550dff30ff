"""What lies between the socket and an interaction, without the socket: processor time of the loop's thread a request.

python -m tests.bench.connections

16 connections ask at once, again and again, and the least of many rounds counts, so that others on the machine matter
little. "nothing" is an application that answers at once.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from fhir_server import bootstrap
from fhir_server.core.garbage import tune
from fhir_server.core.settings import Settings
from fhir_server.rest.http1.connection import Connection
from fhir_server.rest.http1.host import Host

CONNECTIONS = 16
ROUNDS = 30
HEADERS = (
    b"Host: 127.0.0.1:8080\r\nAccept: application/fhir+json\r\nAccept-Encoding: gzip, deflate\r\n"
    b"User-Agent: Python/3.11 aiohttp/3.9\r\n"
)
PATIENT = (
    b'{"resourceType":"Patient","id":"a","name":[{"family":"Smith","given":["John"]}],"gender":"male",'
    b'"birthDate":"1970-01-01","identifier":[{"system":"http://x","value":"1"}]}'
)
GET = b"GET /fhir/Patient/a HTTP/1.1\r\n" + HEADERS + b"\r\n"
SEARCH = b"GET /fhir/Patient?identifier=http://x%7C1 HTTP/1.1\r\n" + HEADERS + b"\r\n"
PUT = (
    b"PUT /fhir/Patient/a HTTP/1.1\r\n"
    + HEADERS
    + b"Content-Type: application/fhir+json\r\nContent-Length: %d\r\n\r\n" % len(PATIENT)
    + PATIENT
)


class Nowhere(asyncio.Transport):
    """A transport that keeps what is written last."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 80) if name in ("peername", "sockname") else default

    def write(self, data: Any) -> None:
        self.written = data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0


async def nothing(scope: dict[str, Any], receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"{}"})


async def ask(connections: list[Connection], request: bytes, pause: float = 0) -> None:
    """Sends the request on all of them, and waits for the answers by looks with that pause, in seconds, between."""
    for connection in connections:
        connection.data_received(request)
    while any(connection.busy for connection in connections):
        await asyncio.sleep(pause)


async def measure(host: Host, name: str, request: bytes, times: int) -> None:
    connections = [host.connection() for _ in range(CONNECTIONS)]
    for connection in connections:
        connection.connection_made(Nowhere())
    await ask(connections, request)
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(times):
            await ask(connections, request)
        least = min(least, (time.thread_time() - began) / times / CONNECTIONS)
    status = connections[0].transport.written[9:12].decode()  # type: ignore[attr-defined]
    print(f"{name:30} {least * 1e6:6.1f} µs  {status}")
    for connection in connections:
        connection.connection_lost(None)  # or the host would end them for being idle


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        application = bootstrap.application(Settings(data=Path(folder) / "data"))
        async with application.running():
            host = Host(application)
            tune()
            await measure(host, "update", PUT, 6)
            await measure(host, "read", GET, 60)
            await measure(host, "search by identifier", SEARCH, 20)
            await measure(Host(nothing), "nothing", GET, 60)


if __name__ == "__main__":
    uvloop.run(main())
