"""HTTP requests to addresses that strangers name.

The address is looked at when it is connected to, redirects are not followed, no proxy is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpcore

from fhir_server.security.outgoing.addresses import Outgoing, RefusedAddressError

CONNECTIONS = 100
IDLE_SECONDS = 30.0
READ = 64 * 1024  # bytes of an answer that are read so that its connection can be used again


class UnansweredError(Exception):
    """Why a request was not answered with success, for whoever had it sent."""


class Sent(NamedTuple):
    """A request: headers beside Host and Content-Length."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Fetched(NamedTuple):
    """What was at a URL: headers by their names in small letters, the values of one name with commas between."""

    body: bytes
    headers: dict[str, str]


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
        """Sends a request of whose answer the status counts; UnansweredError for no success in so many seconds."""
        with _in_time(seconds):
            async with asyncio.timeout(seconds), self._answer(request) as answer:
                with contextlib.suppress(httpcore.ReadError, httpcore.RemoteProtocolError):
                    async for _ in _pieces(answer, READ):
                        pass

    async def fetched(self, url: str, accept: str, most: int, seconds: float) -> Fetched:
        """What is at a URL; UnansweredError where it has more bytes, or is not there whole in so many seconds."""
        body = b""
        headers: dict[str, str] = {}
        with _in_time(seconds):
            async with asyncio.timeout(seconds), self._answer(_get(url, accept)) as answer:
                for key, value in answer.headers:
                    name = key.decode("latin-1").lower()
                    headers[name] = ", ".join(filter(None, (headers.get(name), value.decode("latin-1"))))
                async for piece in _pieces(answer, most + 1):
                    body += piece
        if len(body) > most:
            raise UnansweredError(f"The endpoint sent more than {most} bytes.")
        return Fetched(body, headers)

    async def pieces(self, url: str, accept: str, seconds: float) -> AsyncGenerator[bytes, None]:
        """What is at a URL, as it comes; UnansweredError, also where nothing comes for so many seconds."""
        waits = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
        with _in_time(seconds):
            async with self._answer(_get(url, accept), {"timeout": waits}) as answer:
                async for piece in answer.aiter_stream():
                    yield piece

    @asynccontextmanager
    async def _answer(
        self, request: Sent, extensions: Mapping[str, Any] | None = None
    ) -> AsyncIterator[httpcore.Response]:
        """An answer of success, its body not read."""
        headers = [(b"host", urlsplit(request.url).netloc.encode())]  # of an IPv6 address with its brackets
        headers += [(name.encode(), value.encode()) for name, value in request.headers]
        try:
            async with self._pool.stream(
                request.method, request.url, headers=headers, content=request.body, extensions=dict(extensions or {})
            ) as answer:
                if not 200 <= answer.status < 300:
                    raise UnansweredError(f"The endpoint answered with status {answer.status}.")
                yield answer
        except RefusedAddressError as problem:
            raise UnansweredError(str(problem)) from None
        except httpcore.ConnectError as problem:
            refused = isinstance(problem.__cause__, ssl.SSLError) or "CERTIFICATE" in str(problem)
            told = "Its TLS certificate is not accepted." if refused else "It can't be connected to."
            raise UnansweredError(told) from None
        except (TimeoutError, httpcore.TimeoutException):
            raise TimeoutError from None
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, OSError) as problem:
            raise UnansweredError(f"The connection to the endpoint broke ({type(problem).__name__}).") from None

    async def close(self) -> None:
        """Closes its connections."""
        await self._pool.aclose()


def _get(url: str, accept: str) -> Sent:
    return Sent("GET", url, (("Accept", accept), ("Accept-Encoding", "identity")))


@contextlib.contextmanager
def _in_time(seconds: float) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise UnansweredError(f"The endpoint did not answer within {seconds:g} s.") from None


async def _pieces(answer: httpcore.Response, most: int) -> AsyncIterator[bytes]:
    """The body until so many bytes have come."""
    size = 0
    async for piece in answer.aiter_stream():
        yield piece
        size += len(piece)
        if size >= most:
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
        raise RefusedAddressError("A request goes to a host.")

    async def sleep(self, seconds: float) -> None:
        await self._inner.sleep(seconds)
