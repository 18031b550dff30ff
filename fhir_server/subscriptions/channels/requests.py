"""HTTP requests to endpoints that strangers name.

The address is looked at when it is connected to, redirects are not followed, no proxy is asked, and of the answer only
the status counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore

from fhir_server.security.outgoing import Outgoing, RefusedAddressError
from fhir_server.subscriptions.channels.channel import UndeliveredError

CONNECTIONS = 100
IDLE_SECONDS = 30.0
READ = 64 * 1024  # bytes of an answer that are read so that its connection can be used again


class Sent(NamedTuple):
    """A request: headers beside Host and Content-Length."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


class Requests:
    """Sends for one process. authorities: a PEM file of those that certificates may be from, "" for the system's."""

    def __init__(self, outgoing: Outgoing, authorities: str = "") -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=ssl.create_default_context(cafile=authorities or None),
            max_connections=CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=_Checked(outgoing),
        )

    async def send(self, request: Sent, seconds: float) -> None:
        """Sends a request; UndeliveredError where it is not answered with success in so many seconds."""
        headers = [(b"host", urlsplit(request.url).netloc.encode())]  # of an IPv6 address with its brackets
        headers += [(name.encode(), value.encode()) for name, value in request.headers]
        try:
            async with (
                asyncio.timeout(seconds),
                self._pool.stream(request.method, request.url, headers=headers, content=request.body) as answer,
            ):
                status = answer.status
                with contextlib.suppress(httpcore.ReadError, httpcore.RemoteProtocolError):
                    await _read(answer)
        except RefusedAddressError as problem:
            raise UndeliveredError(str(problem)) from None
        except TimeoutError:
            raise UndeliveredError(f"The endpoint did not answer within {seconds:g} s.") from None
        except httpcore.ConnectError as problem:
            refused = isinstance(problem.__cause__, ssl.SSLError) or "CERTIFICATE" in str(problem)
            told = "Its TLS certificate is not accepted." if refused else "It can't be connected to."
            raise UndeliveredError(told) from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as problem:
            raise UndeliveredError(f"The connection to the endpoint broke ({type(problem).__name__}).") from None
        if not 200 <= status < 300:
            raise UndeliveredError(f"The endpoint answered with status {status}.")

    async def close(self) -> None:
        """Closes its connections."""
        await self._pool.aclose()


async def _read(answer: httpcore.Response) -> None:
    size = 0
    async for piece in answer.aiter_stream():
        size += len(piece)
        if size > READ:
            return


class _Checked(httpcore.AsyncNetworkBackend):
    """Connects to addresses that may be called, and to those very ones that were looked at."""

    def __init__(self, outgoing: Outgoing) -> None:
        self._outgoing = outgoing
        self._inner: Any = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        problem: Exception = httpcore.ConnectError()
        for address in await self._outgoing.addresses(host.strip("[]"), port):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except httpcore.ConnectError as refused:
                problem = refused
        raise problem

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise RefusedAddressError("A notification goes to a host.")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
