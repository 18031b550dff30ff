"""A WebSocket over an HTTP request of ASGI that was answered with 101 (RFC 6455).

socket = WebSocket(receive, send)
await socket.open(headers)
await socket.run(telling(), hear)
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from fhir_server.core.errors import error

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
PING_SECONDS = 20.0
SILENT_SECONDS = 60.0  # after which a client that answers no ping is gone
LONGEST = 64 * 1024  # characters of a message that a client may send
# RFC 6455 section 7.4.1
NORMAL, GOING_AWAY, PROTOCOL, POLICY, TOO_BIG, UNEXPECTED = 1000, 1001, 1002, 1008, 1009, 1011


def handshake(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    """The headers that open a WebSocket (RFC 6455 section 4.2); FhirError where what is asked for is none."""
    if headers.get("upgrade", "").lower() != "websocket":
        raise error("upgrade", "Events come over a WebSocket: ask for it with Upgrade: websocket.")
    if headers.get("sec-websocket-version") != "13":
        raise error("upgrade", "This server speaks version 13 of WebSocket.", headers={"Sec-WebSocket-Version": "13"})
    key = headers.get("sec-websocket-key", "")
    try:
        sound = len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        sound = False
    if not sound:
        raise error("value", "Sec-WebSocket-Key must be 16 bytes in base64.")
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest())
    return [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", accept)]


class Gone(Exception):
    """What was to be told did not go out: either end had closed the socket."""


class WebSocket:
    """One connection. closed: whether either end has closed it."""

    def __init__(self, receive: Any, send: Any) -> None:
        from wsproto.connection import Connection, ConnectionType

        self._frames = Connection(ConnectionType.SERVER)
        self._receive, self._send = receive, send
        self._heard = self._pinged = time.monotonic()
        self._text: list[str] = []
        self.closed = False

    async def open(self, headers: dict[str, str]) -> None:
        """Answers the request; FhirError where it asks for no WebSocket."""
        await self._send({"type": "http.response.start", "status": 101, "headers": handshake(headers)})
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})

    async def run(
        self, telling: Coroutine[Any, Any, None], hear: Callable[[str], Awaitable[None]] | None = None
    ) -> None:
        """Tells and listens until either is over; hear: gets each text that the client sends.

        Gone in either ends it.
        """
        tasks = [asyncio.create_task(telling), asyncio.create_task(self._listening(hear))]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Gone):
                await task
        for task in done:
            with contextlib.suppress(Gone):
                task.result()
        await self._send({"type": "http.response.body", "body": b""})

    async def alive(self) -> bool:
        """Whether the client is there still; asked often, it is pinged now and then."""
        from wsproto.events import Ping

        now = time.monotonic()
        if self.closed or now - self._heard > SILENT_SECONDS:
            return False
        if now - self._pinged > PING_SECONDS:
            self._pinged = now
            await self._write(Ping())
        return True

    async def tell(self, text: str) -> None:
        """Sends a text; Gone where the socket is closed."""
        from wsproto.events import TextMessage

        if self.closed:
            raise Gone
        await self._write(TextMessage(text))

    async def close(self, code: int, reason: str) -> None:
        """Closes it."""
        from wsproto.events import CloseConnection
        from wsproto.utilities import LocalProtocolError

        if not self.closed:
            self.closed = True
            with contextlib.suppress(LocalProtocolError):
                await self._write(CloseConnection(code, reason))

    async def _listening(self, hear: Callable[[str], Awaitable[None]] | None) -> None:
        from wsproto.utilities import ProtocolError

        while not self.closed:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                return await self.close(GOING_AWAY, "the server ends")
            self._heard = time.monotonic()
            try:
                self._frames.receive_data(message["body"])
                for event in self._frames.events():
                    await self._take(event, hear)
            except ProtocolError as problem:
                await self.close(getattr(problem, "code", None) or PROTOCOL, str(problem)[:60])

    async def _take(self, event: Any, hear: Callable[[str], Awaitable[None]] | None) -> None:
        from wsproto.events import CloseConnection, Ping, TextMessage

        if isinstance(event, Ping | CloseConnection):
            self.closed = self.closed or isinstance(event, CloseConnection)
            await self._write(event.response())
        elif isinstance(event, TextMessage) and hear is not None:
            self._text.append(event.data)
            if sum(map(len, self._text)) > LONGEST:
                await self.close(TOO_BIG, "the message is too long")
            elif event.message_finished:
                text = "".join(self._text)
                self._text.clear()
                await hear(text)

    async def _write(self, event: Any) -> None:
        await self._send({"type": "http.response.body", "body": self._frames.send(event), "more_body": True})
