"""Connections that an application takes over, and those that it does not."""

from __future__ import annotations

import asyncio

import pytest

from tests.unit.rest.http1.conftest import WAIT, Served

pytestmark = pytest.mark.anyio


def asking(path: bytes, protocol: bytes = b"websocket") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %b\r\n\r\n" % (path, protocol)


async def read(client, count: int) -> bytes:
    return await asyncio.wait_for(client.reader.readexactly(count), WAIT)


async def test_bytes_go_both_ways_as_they_are(served: Served) -> None:
    client = await served.connect()
    await client.send(asking(b"/tunnel"))
    status, headers = await client.head()
    assert status == 101 and "transfer-encoding" not in headers and "content-length" not in headers
    await client.send(b"one")
    assert await read(client, 3) == b"ONE"
    await client.send(b"two\r\n\0")
    assert await read(client, 6) == b"TWO\r\n\0"
    await client.send(b"end")
    assert await asyncio.wait_for(client.reader.read(), WAIT) == b""


async def test_what_came_with_the_request_is_not_lost(served: Served) -> None:
    client = await served.connect()
    await client.send(asking(b"/tunnel") + b"at once")
    assert (await client.head())[0] == 101
    assert await read(client, 7) == b"AT ONCE"


async def test_a_client_that_goes_away_is_told_to_the_application(served: Served) -> None:
    client = await served.connect()
    await client.send(asking(b"/tunnel"))
    await client.head()
    client.writer.close()
    async with asyncio.timeout(WAIT):
        while not served.told.broken_off:
            await asyncio.sleep(0.01)


async def test_an_upgrade_that_is_answered_otherwise_leaves_http_as_it_was(served: Served) -> None:
    client = await served.connect()
    await client.send(asking(b"/a") + b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [(await client.answer())[0] for _ in range(2)] == [200, 200]
    assert [asked["path"] for asked in served.told.asked] == ["/a", "/b"]
    assert all(asked["body"] == b"" for asked in served.told.asked)


async def test_another_protocol_is_declined(served: Served) -> None:
    client = await served.connect()
    await client.send(asking(b"/a", b"h2c") + b"GET /b HTTP/1.1\r\nHost: a\r\n\r\n")
    assert [(await client.answer())[0] for _ in range(2)] == [200, 200]


async def test_rubbish_after_an_upgrade_that_is_answered_otherwise_is_refused(served: Served) -> None:
    client = await served.connect()
    await client.send(asking(b"/a") + b"\0\0\0 rubbish\r\n\r\n")
    assert [(await client.answer())[0] for _ in range(2)] == [200, 400]
