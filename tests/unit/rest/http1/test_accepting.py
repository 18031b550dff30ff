"""Several that listen on one socket have about as many connections each, and none is left to nobody."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from fhir_server.core.sharing import Share
from fhir_server.rest.http1.accepting import Accepting
from fhir_server.rest.http1.host import Host
from tests.unit.rest.http1.conftest import WAIT, Told

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The standard library's event loop, on which several that share one have their turns evenly."""
    return "asyncio"


@pytest.fixture
async def listening() -> AsyncIterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


async def connected(listening: socket.socket, number: int) -> list[asyncio.StreamWriter]:
    return [(await asyncio.open_connection(*listening.getsockname()))[1] for _ in range(number)]


async def have(hosts: list[Host], number: int) -> None:
    """Waits until they have so many connections together."""
    async with asyncio.timeout(WAIT):
        while sum(len(host.connections) for host in hosts) != number:
            await asyncio.sleep(0.001)


async def ended(accepting: list[Accepting], hosts: list[Host], clients: list[asyncio.StreamWriter]) -> None:
    for each in accepting:
        each.stop()
    for client in clients:
        client.close()
    await have(hosts, 0)


async def test_connections_are_shared_and_those_that_end_make_room(listening: socket.socket) -> None:
    counts = [0, 0]
    shares = [Share(counts, place) for place in range(2)]
    hosts = [Host(Told(), share) for share in shares]
    sockets = [listening.dup() for _ in range(2)]
    accepting = [Accepting(host, each, None, share) for host, each, share in zip(hosts, sockets, shares, strict=True)]
    clients = await connected(listening, 10)
    await have(hosts, 10)
    assert sorted(len(host.connections) for host in hosts) == [5, 5]
    for connection in tuple(hosts[0].connections):
        connection.abort()
    await have(hosts, 5)
    clients += await connected(listening, 5)
    await have(hosts, 10)
    assert sorted(len(host.connections) for host in hosts) == [5, 5]
    await ended(accepting, hosts, clients)
    for each in sockets:
        each.close()


async def test_what_is_left_to_one_that_does_not_come_is_taken(listening: socket.socket) -> None:
    counts = [0, 0]
    share, _ = Share(counts, 0), Share(counts, 1)
    host = Host(Told(), share)
    accepting = Accepting(host, listening, None, share)
    clients = await connected(listening, 6)
    await have([host], 6)
    await ended([accepting], [host], clients)


async def test_one_alone_takes_all(listening: socket.socket) -> None:
    host = Host(Told())
    accepting = Accepting(host, listening, None, None)
    clients = await connected(listening, 40)
    await have([host], 40)
    await ended([accepting], [host], clients)
