"""A WebSocket that its client closes while something is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import CloseConnection, TextMessage

from fhir_server.codec.websocket import Gone, WebSocket

pytestmark = pytest.mark.anyio


class Client:
    """The other end: what it sends comes in order, what it is sent is kept."""

    def __init__(self) -> None:
        self.frames = Connection(ConnectionType.CLIENT)
        self.coming: asyncio.Queue[bytes] = asyncio.Queue()
        self.came: list[Any] = []

    def say(self, event: Any) -> None:
        self.coming.put_nowait(self.frames.send(event))

    async def receive(self) -> dict[str, Any]:
        return {"type": "http.request", "body": await self.coming.get(), "more_body": True}

    async def send(self, message: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        if message.get("body"):
            self.frames.receive_data(message["body"])
            self.came += self.frames.events()


async def test_what_is_told_after_the_client_has_closed_does_not_go_out_and_ends_it_quietly() -> None:
    client = Client()
    socket = WebSocket(client.receive, client.send)
    outcomes: list[str] = []

    async def telling() -> None:
        await socket.tell("one")
        client.say(CloseConnection(1000))
        try:
            while True:
                await asyncio.sleep(0)
                await socket.tell("more")
        except Gone:
            outcomes.append("gone")
            raise

    await socket.run(telling())
    assert outcomes == ["gone"]
    assert client.came[0] == TextMessage("one")
    assert [each.code for each in client.came if isinstance(each, CloseConnection)] == [1000]
