"""UPS-RS: the event channel of a subscriber, a WebSocket over which its events come (PS3.18 sections 11.10 and 11.14).

What waits for a subscriber is sent in its order, each event as a text message of the DICOM JSON Model, and is kept
until it was sent. Of several channels of one subscriber the last one opened stands.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import msgspec

from fhir_server.core.errors import FhirError, error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row
from interfaces.dicom.workitems.events import SOP_CLASS

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
LOOK_SECONDS = 0.25  # between two looks for events
PING_SECONDS = 20.0
SILENT_SECONDS = 60.0  # after which a client that answers no ping is gone
CHECK_SECONDS = 30.0  # between two looks whether the token still holds
TOGETHER = 100
GOING_AWAY, POLICY = 1001, 1008  # RFC 6455 section 7.4.1
NORMAL = 1000


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


async def serve(
    headers: dict[str, str],
    receive: Any,
    send: Any,
    archive: Archive,
    title: str,
    allowed: Callable[[], Awaitable[Any]],
) -> None:
    """Opens the channel and keeps it until the client, the server, or a later channel ends it.

    allowed: asks anew whether the caller may have it; FhirError where not.
    """
    await send({"type": "http.response.start", "status": 101, "headers": handshake(headers)})
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    await _Channel(receive, send, archive, title, allowed).run()
    await send({"type": "http.response.body", "body": b""})


class _Channel:
    def __init__(self, receive: Any, send: Any, archive: Archive, title: str, allowed: Callable[[], Awaitable[Any]]):
        from wsproto.connection import Connection, ConnectionType

        self._frames = Connection(ConnectionType.SERVER)
        self._receive, self._send = receive, send
        self._archive, self._title, self._allowed = archive, title, allowed
        self._name, self._own = f"channel {title}", secrets.token_hex(8)
        self._closed = False
        self._heard = time.monotonic()

    async def run(self) -> None:
        """Sends and listens until either is over."""
        await asyncio.to_thread(self._claim)
        tasks = [asyncio.create_task(self._telling()), asyncio.create_task(self._listening())]
        done, others = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in others:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        for task in done:
            task.result()

    async def _listening(self) -> None:
        from wsproto.events import CloseConnection, Ping
        from wsproto.utilities import ProtocolError

        while not self._closed:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                await self._close(GOING_AWAY, "the server ends")
                return
            self._heard = time.monotonic()
            try:
                self._frames.receive_data(message["body"])
                for event in self._frames.events():
                    if isinstance(event, Ping | CloseConnection):
                        await self._write(event.response())
                        self._closed = self._closed or isinstance(event, CloseConnection)
            except ProtocolError as problem:
                await self._close(getattr(problem, "code", None) or 1002, str(problem)[:60])

    async def _telling(self) -> None:
        from wsproto.events import Ping, TextMessage

        pinged = checked = time.monotonic()
        number = 0
        while not self._closed:
            now = time.monotonic()
            if now - self._heard > SILENT_SECONDS:
                return
            if now - pinged > PING_SECONDS:
                pinged = now
                await self._write(Ping())
            if now - checked > CHECK_SECONDS:
                checked = now
                try:
                    await self._allowed()
                except FhirError:
                    return await self._close(POLICY, "the token does not allow it any more")
            rows = await asyncio.to_thread(self._waiting)
            if rows is None:
                return await self._close(NORMAL, "another channel of this subscriber was opened")
            for row in rows:
                number += 1
                await self._write(TextMessage(event_of(row, number % 2**16)))
            if rows:
                await finished(asyncio.to_thread(self._told, [row["pk"] for row in rows]))
            else:
                await asyncio.sleep(LOOK_SECONDS)

    async def _close(self, code: int, reason: str) -> None:
        from wsproto.events import CloseConnection
        from wsproto.utilities import LocalProtocolError

        if not self._closed:
            self._closed = True
            with contextlib.suppress(LocalProtocolError):
                await self._write(CloseConnection(code, reason))

    async def _write(self, event: Any) -> None:
        await self._send({"type": "http.response.body", "body": self._frames.send(event), "more_body": True})

    def _claim(self) -> None:
        self._archive.write(lambda index: index.put("note", {"name": self._name}, {"value": self._own}))

    def _waiting(self) -> list[Row] | None:
        """The next events; None where a later channel has taken over."""
        reading = self._archive.reading
        claimed = reading.one("note", {"name": self._name})
        if claimed is None or claimed["value"] != self._own:
            return None
        return reading.all("workitem_event", {"subscriber": self._title}, limit=TOGETHER)

    def _told(self, numbers: list[int]) -> None:
        def work(index: Any) -> None:
            for number in numbers:
                index.remove("workitem_event", {"pk": number})

        self._archive.write(work)


async def finished(work: Coroutine[Any, Any, None]) -> None:
    """Waits for work to its end even where the waiter is cancelled: what was told must not be told again."""
    task = asyncio.create_task(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def event_of(row: Row, number: int) -> str:
    """An event as its message: what N-EVENT-REPORT's command set says of it, and its information."""
    about = {
        "00000002": {"vr": "UI", "Value": [SOP_CLASS]},
        "00000110": {"vr": "US", "Value": [number]},
        "00001000": {"vr": "UI", "Value": [row["uid"]]},
        "00001002": {"vr": "US", "Value": [row["type"]]},
    }
    return msgspec.json.encode({**about, **json.loads(row["information"])}).decode()
