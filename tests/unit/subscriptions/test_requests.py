"""What an endpoint gets of a request."""

from __future__ import annotations

import asyncio
import socket

import pytest

from fhir_server.security.outgoing import Outgoing
from fhir_server.subscriptions.channels.requests import Requests, Sent

pytestmark = pytest.mark.anyio


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
