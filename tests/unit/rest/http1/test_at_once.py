"""Answers that an application has without being waited for."""

from __future__ import annotations

import asyncio
import json
import socket
import struct

import pytest

from fhir_server.rest.http1 import limits
from tests.unit.rest.http1.conftest import Served

pytestmark = pytest.mark.anyio

ONCE = b"GET /once HTTP/1.1\r\nHost: x\r\n\r\n"


async def test_it_is_sent_without_asgi_and_the_connection_is_kept(served: Served) -> None:
    client = await served.ask(ONCE)
    for _ in range(3):
        status, headers, body = await client.answer()
        assert (status, body) == (200, b"xxxx") and "date" in headers and "connection" not in headers
        await client.send(ONCE)
    assert served.told.asked == []


async def test_it_waits_for_the_answers_before_it(served: Served) -> None:
    client = await served.ask(b"GET /held HTTP/1.1\r\nHost: x\r\n\r\n" + ONCE * 900)
    await served.connection()
    served.told.held.set()
    assert json.loads((await client.answer())[2])["path"] == "/held"
    for _ in range(900):
        assert (await client.answer())[0] == 200


@pytest.mark.parametrize(
    "more",
    [
        b"Content-Length: 2\r\n\r\nab",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"Upgrade: websocket\r\n\r\n",
    ],
)
async def test_what_has_a_body_or_asks_for_an_upgrade_is_for_asgi(served: Served, more: bytes) -> None:
    client = await served.ask(ONCE[:-2] + more)
    assert json.loads((await client.answer())[2])["path"] == "/once"
    await client.send(ONCE)
    assert (await client.answer())[2] == b"xxxx" and len(served.told.asked) == 1


@pytest.mark.parametrize(
    "last", [b"GET /once HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"GET /once HTTP/1.0\r\n\r\n"]
)
async def test_the_last_one_closes(served: Served, last: bytes) -> None:
    client = await served.ask(ONCE + last)
    assert (await client.answer())[1].get("connection") is None
    status, headers, body = await client.answer()
    assert (status, headers["connection"], body) == (200, "close", b"xxxx")
    assert await client.rest() == b""
    await served.until_alone()


async def test_a_client_that_takes_nothing_gets_no_more_than_it_has_room_for(served: Served) -> None:
    asked = b"GET /once?100000 HTTP/1.1\r\nHost: x\r\n\r\n" * 500
    client = await served.connect()
    client.writer.write(asked)
    connection = await served.connection()
    while connection.stalled is None:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert connection.unsent < 2 * limits.BUFFER
    for _ in range(500):
        assert (await client.answer())[0] == 200


LATER = b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n"


async def until(served: Served, count: int) -> None:
    while len(served.told.later) < count:
        await asyncio.sleep(0.001)


async def test_one_that_comes_later_holds_up_those_behind_it_and_the_connection_is_kept(served: Served) -> None:
    client = await served.ask(LATER + b"GET /behind HTTP/1.1\r\nHost: x\r\n\r\n")
    await until(served, 1)
    assert (await served.connection()).busy and served.told.asked == []
    served.told.later[0]()
    assert (await client.answer())[2] == b"xxxx"
    assert json.loads((await client.answer())[2])["path"] == "/behind"
    await client.send(LATER)
    await until(served, 2)
    served.told.later[1]()
    assert (await client.answer())[2] == b"xxxx" and not (await served.connection()).busy


async def test_a_client_that_has_gone_meanwhile_is_let_go(served: Served) -> None:
    client = await served.ask(LATER)
    await until(served, 1)
    client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.writer.transport.abort()
    connection = await served.connection()
    while not connection._lost:
        await asyncio.sleep(0.001)
    assert served.host.connections == {connection}
    served.told.later[0]()
    assert served.host.connections == set()


async def test_a_client_that_has_nothing_more_to_ask_gets_it_and_the_end(served: Served) -> None:
    client = await served.ask(LATER)
    await until(served, 1)
    client.writer.write_eof()
    await asyncio.sleep(0.05)
    served.told.later[0]()
    assert (await client.answer())[1]["connection"] == "close"
    assert await client.rest() == b""


async def test_a_server_that_stops_waits_for_it(served: Served) -> None:
    client = await served.ask(LATER)
    await until(served, 1)
    stopping = asyncio.ensure_future(served.host.stop(10, asyncio.Event()))
    await asyncio.sleep(0.01)
    served.told.later[0]()
    assert (await client.answer())[1]["connection"] == "close"
    await stopping


async def test_a_server_that_waits_no_longer_ends_the_connection(served: Served) -> None:
    client = await served.ask(LATER)
    await until(served, 1)
    await served.host.stop(0, asyncio.Event())
    assert await client.rest() == b""
    await asyncio.sleep(0.01)
    served.told.later[0]()
    assert served.host.connections == set()
