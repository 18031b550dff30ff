"""A process that serves: start, TLS, IPv6, and the stop that answers what is under way."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.rest.http1 import limits
from fhir_server.rest.http1.accepting import Accepting
from fhir_server.rest.http1.host import Host
from fhir_server.rest.http1.serving import serve
from tests.authority import Authority
from tests.unit.rest.http1.conftest import WAIT, Client, Told

pytestmark = pytest.mark.anyio


class Application(Told):
    """Tells what reached it, and has a lifespan that may fail."""

    phases: list[str]
    fails = False

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            return await super().__call__(scope, receive, send)
        self.phases = []
        for phase in ("startup", "shutdown"):
            assert (await receive())["type"] == f"lifespan.{phase}"
            self.phases.append(phase)
            await send({"type": f"lifespan.{phase}.{'failed' if self.fails else 'complete'}"})


def listening(host: str = "127.0.0.1") -> tuple[socket.socket, int]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.create_server((host, 0), family=family)
    return found, found.getsockname()[1]


async def test_it_starts_serves_and_stops() -> None:
    application, stop = Application(), asyncio.Event()
    found, port = listening("::1")
    serving = asyncio.create_task(serve(application, found, stop, 5))
    async with httpx.AsyncClient() as http:
        assert (await http.get(f"http://[::1]:{port}/x")).json()["path"] == "/x"
    assert application.asked[0]["client"][0] == "::1"
    stop.set()
    assert await serving
    assert application.phases == ["startup", "shutdown"]


async def test_an_application_that_can_not_start_is_not_served() -> None:
    application = Application()
    application.fails = True
    found, _ = listening()
    assert not await serve(application, found, asyncio.Event(), 5)
    found.close()


async def test_a_server_that_stood_still_itself_ends_no_connection_for_it() -> None:
    times: list[float] = []
    host = Host(Told(), clock=lambda: time.monotonic() + sum(times))
    server = await host.loop.create_server(host.connection, "127.0.0.1", 0)
    client = Client(*await asyncio.open_connection(*server.sockets[0].getsockname()))
    for passed in (0, limits.IDLE_SECONDS + 10):
        times.append(passed)
        host._tick()
        await client.send(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer())[0] == 200
    server.close()
    await host.stop(1, asyncio.Event())
    client.writer.close()


async def test_a_stop_answers_what_is_under_way_and_closes_the_rest() -> None:
    application, stop = Application(), asyncio.Event()
    found, port = listening()
    serving = asyncio.create_task(serve(application, found, stop, 30))
    idle = Client(*await asyncio.open_connection("127.0.0.1", port))
    busy = Client(*await asyncio.open_connection("127.0.0.1", port))
    await idle.send(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
    await idle.answer()
    await busy.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0.05)
    stop.set()
    assert await idle.rest() == b""
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)
    application.held.set()
    status, headers, _ = await busy.answer()
    assert (status, headers["connection"]) == (200, "close")
    assert await busy.rest() == b""
    assert await serving
    assert [asked["path"] for asked in application.asked] == ["/x", "/held"]


async def test_a_stop_waits_no_longer_than_it_may() -> None:
    application, stop = Application(), asyncio.Event()
    found, port = listening()
    serving = asyncio.create_task(serve(application, found, stop, 0))
    client = Client(*await asyncio.open_connection("127.0.0.1", port))
    await client.send(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n")
    await asyncio.sleep(0.05)
    stop.set()
    assert await serving
    assert application.asked == []


async def test_over_tls_the_scheme_is_https(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(*authority.certificate("server"))
    application, stop = Application(), asyncio.Event()
    found, port = listening()
    serving = asyncio.create_task(serve(application, found, stop, 5, tls))
    async with httpx.AsyncClient(verify=ssl.create_default_context(cafile=str(authority.path))) as http:
        for _ in range(2):
            assert (await http.post(f"https://localhost:{port}/x", content=b"y" * 300_000)).json()["body"] == 300_000
    assert application.asked[0]["scheme"] == "https"
    stop.set()
    assert await serving


async def test_who_was_just_taken_when_a_server_stops_is_closed_too() -> None:
    host = Host(Told())
    found, port = listening()
    accepting = Accepting(host, found, None, None)
    clients = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(20)]
    async with asyncio.timeout(WAIT):
        while len(host.connections) < len(clients):
            await asyncio.sleep(0.001)
        accepting.stop()
        await host.stop(5, asyncio.Event())
        for client in clients:
            client.close()
        while host.connections:
            await asyncio.sleep(0.001)
    found.close()
