"""An application that tells what reached it, on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest

from fhir_server.rest.http1.connection import Connection
from fhir_server.rest.http1.host import Host

WAIT = 30  # seconds until a test gives up


@dataclass
class Told:
    """The application: answers with method, path, query and body as JSON; keeps what it was asked."""

    asked: list[dict[str, Any]] = field(default_factory=list)
    held: asyncio.Event = field(default_factory=asyncio.Event)
    broken_off: int = 0
    later: list[Callable[[], None]] = field(default_factory=list)  # what sends each answer that was kept back

    def at_once(self, scope: dict[str, Any], send: Callable[[int, list[tuple[bytes, bytes]], bytes], None]) -> bool:
        if scope["path"] not in ("/once", "/later"):
            return False
        body = b"x" * int(scope["query_string"] or b"4")
        answering = partial(send, 200, [(b"content-length", b"%d" % len(body))], body)
        if scope["path"] == "/once":
            answering()
        else:
            self.later.append(answering)
        return True

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/fails":
            raise ValueError("on purpose")
        if path == "/early":
            return await answer(send, 413, b"too much")
        if path == "/tunnel":
            await send({"type": "http.response.start", "status": 101, "headers": [(b"upgrade", b"websocket")]})
            while (message := await receive())["type"] != "http.disconnect" and message["body"] != b"end":
                await send({"type": "http.response.body", "body": message["body"].upper(), "more_body": True})
            self.broken_off += message["type"] == "http.disconnect"
            return await send({"type": "http.response.body"})
        if path == "/bare":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            return await send({"type": "http.response.body"})
        if path == "/held":
            await self.held.wait()
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.broken_off += 1
                return await answer(send, 400, b"broken off")
            body, more = body + message["body"], message["more_body"]
        self.asked.append(scope | {"body": body})
        if path == "/parts":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for part in (b"one ", b"", b"two ", b"three"):
                await send({"type": "http.response.body", "body": part, "more_body": True})
            return await send({"type": "http.response.body"})
        if path == "/large":
            return await answer(send, 200, b"x" * 8_000_000)
        if path == "/split":
            return await answer(send, 200, b"ok", (b"x-note", b"a\r\nset-cookie: b=c\0"))
        told = {"method": scope["method"], "path": path, "query": scope["query_string"].decode(), "body": len(body)}
        await answer(send, 200, json.dumps(told).encode())


async def answer(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Client:
    """Bytes to and from the server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(0)

    async def head(self) -> tuple[int, dict[str, str]]:
        """Status and headers of the next answer."""
        text = (await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), WAIT)).decode("latin-1")
        lines = text.split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), headers

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next answer, whole."""
        status, headers = await self.head()
        body = await asyncio.wait_for(self.reader.readexactly(int(headers.get("content-length", 0))), WAIT)
        return status, headers, body

    async def rest(self) -> bytes:
        """All that comes until the server closes."""
        return await asyncio.wait_for(self.reader.read(), WAIT)


class Served:
    """A host on a free port, and what a test does to it."""

    def __init__(self, host: Host, told: Told, port: int) -> None:
        self.host = host
        self.told = told
        self.port = port
        self._clients: list[Client] = []

    async def connect(self) -> Client:
        client = Client(*await asyncio.open_connection("127.0.0.1", self.port))
        self._clients.append(client)
        return client

    async def ask(self, *pieces: bytes) -> Client:
        """A new connection that these bytes are sent on."""
        client = await self.connect()
        await client.send(*pieces)
        return client

    async def connection(self) -> Connection:
        """The only connection there is."""
        while len(self.host.connections) != 1:
            await asyncio.sleep(0.001)
        return next(iter(self.host.connections))

    async def later(self, seconds: int) -> None:
        """As if so many seconds had passed without a byte."""
        connection = await self.connection()
        connection.look(self.host.now + seconds)

    async def until_alone(self) -> None:
        """Returns when no connection is left."""
        while self.host.connections:
            await asyncio.sleep(0.001)

    def close(self) -> None:
        for client in self._clients:
            client.writer.close()


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The event loop that a server has."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    told = Told()
    host = Host(told)
    server = await host.loop.create_server(host.connection, "127.0.0.1", 0)
    served = Served(host, told, server.sockets[0].getsockname()[1])
    yield served
    told.held.set()
    server.close()
    await host.stop(1, asyncio.Event())
    served.close()
