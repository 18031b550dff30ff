"""What an endpoint gets of a request, and what is taken of its answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fhir_server.security.outgoing.addresses import Outgoing
from fhir_server.security.outgoing.requests import Requests, Sent, UnansweredError

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def answering(answer: bytes, asked: list[bytes]) -> AsyncIterator[str]:
    """The URL of a server that gives one answer to whatever is asked, the heads of which it keeps."""

    async def give(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(give, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def anywhere() -> AsyncIterator[Requests]:
    requests = Requests(Outgoing((), everything=True))
    yield requests
    await requests.close()


@pytest.mark.parametrize("family, host", [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "[::1]")])
async def test_the_host_is_the_one_of_the_endpoint(family: socket.AddressFamily, host: str) -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        writer.close()

    try:
        server = await asyncio.start_server(answer, host.strip("[]"), 0, family=family)
    except OSError:
        pytest.skip("this machine has no such address")
    requests = Requests(Outgoing((), everything=True))
    async with server:
        port = server.sockets[0].getsockname()[1]
        await requests.send(Sent("POST", f"http://{host}:{port}/x", (("X-A", "b"),), b"four"), 10)
    await requests.close()
    lines = heads[0].lower().split(b"\r\n")
    assert lines[:2] == [b"post /x http/1.1", f"host: {host}:{port}".encode()]
    assert {b"x-a: b", b"content-length: 4"} <= set(lines)


async def test_a_redirect_is_not_followed(anywhere: Requests) -> None:
    elsewhere: list[bytes] = []
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", elsewhere) as target:
        moved = f"HTTP/1.1 302 Found\r\nLocation: {target}/\r\nContent-Length: 0\r\n\r\n".encode()
        async with answering(moved, []) as url:
            with pytest.raises(UnansweredError, match="302"):
                await anywhere.fetched(url, "*/*", 100, 10)
            with pytest.raises(UnansweredError, match="302"):
                [piece async for piece in anywhere.pieces(url, "*/*", 10)]
            with pytest.raises(UnansweredError, match="302"):
                await anywhere.send(Sent("POST", url), 10)
    assert not elsewhere


async def test_no_more_is_taken_than_may_come(anywhere: Requests) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n" + b"x" * 11, []) as url:
        assert (await anywhere.fetched(url, "*/*", 11, 10)).body == b"x" * 11
        with pytest.raises(UnansweredError, match="more than 10"):
            await anywhere.fetched(url, "*/*", 10, 10)


async def test_what_breaks_off_is_not_taken_for_the_whole(anywhere: Requests) -> None:
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + b"x" * 11, []) as url:
        with pytest.raises(UnansweredError, match="broke"):
            await anywhere.fetched(url, "*/*", 100, 10)
        with pytest.raises(UnansweredError, match="broke"):
            [piece async for piece in anywhere.pieces(url, "*/*", 10)]


async def test_an_address_that_may_not_be_called_is_not() -> None:
    asked: list[bytes] = []
    requests = Requests(Outgoing(()))
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", asked) as url:
        for host in ("127.0.0.1", "localhost", "127.1", "2130706433"):
            with pytest.raises(UnansweredError, match=r"no public address|has no address"):
                await requests.fetched(url.replace("127.0.0.1", host), "*/*", 100, 10)
    await requests.close()
    assert not asked
