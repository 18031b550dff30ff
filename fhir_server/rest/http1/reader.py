"""From bytes to exchanges.

httptools reads the syntax, strictly: two lengths, a length beside chunks, or a broken chunk are refused, so that no
proxy can see other requests in the bytes than this server (RFC 9112, sections 6 and 11.2).
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httptools

from fhir_server.rest.http1 import limits
from fhir_server.rest.http1.exchange import Exchange
from fhir_server.rest.http1.refusal import CODING, TUNNEL, VERSION, Refusal, malformed, too_long

if TYPE_CHECKING:
    from fhir_server.rest.http1.connection import Connection

VERSIONS = ("1.1", "1.0")
LOOKED_AT = frozenset((b"host", b"expect", b"upgrade", b"transfer-encoding", b"content-length"))
ASGI = {"version": "3.0", "spec_version": "2.3"}


class Reader:
    """What httptools calls. in_head: a request has begun and its headers are not complete; arrived: the exchange
    whose body is coming."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._hosts = 0
        self._expects = False
        self._coding = False
        self._sized = False  # it says how long its body is
        self._upgrade = b""
        self._asked: Exchange | None = None
        self._head_bytes = 0
        self._long = False  # whether a head that is complete could be too long
        self.in_head = False
        self.arrived: Exchange | None = None
        self.upgrading: Exchange | None = None  # that asks for WebSocket, until it is answered otherwise

    def read(self, data: bytes) -> None:
        """Takes bytes; Refusal where they are no request that can be answered."""
        while data:
            if self.upgrading is not None:
                self.upgrading.take_more(data)
                self._connection.regulate()
                return
            try:
                self._long = self.in_head or len(data) > limits.MOST_HEAD_BYTES
                if self.in_head:
                    self._head_bytes += len(data)
                    if self._head_bytes > limits.MOST_HEAD_BYTES:
                        raise too_long(limits.MOST_HEAD_BYTES)
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                self._parser = httptools.HttpRequestParser(self)
                data = data[upgrade.args[0] :]
                self.upgrading = self._asked  # another upgrade is declined: what follows is HTTP/1.1 as before
            except httptools.HttpParserCallbackError as problem:
                if isinstance(problem.__context__, Refusal):
                    raise problem.__context__ from None
                raise
            except httptools.HttpParserError as problem:
                raise malformed(str(problem)) from None

    def declined(self, exchange: Exchange) -> None:
        """An exchange is over: what followed a request to upgrade that was answered otherwise is HTTP/1.1."""
        if exchange is self.upgrading:
            self.upgrading = None
            self.read(exchange.untaken())

    def on_message_begin(self) -> None:
        """A request begins."""
        self._url = b""
        self._headers = []
        self._hosts = 0
        self._expects = self._coding = self._sized = False
        self._upgrade = b""
        self.in_head = True
        self._head_bytes = 0
        self._connection.begun()

    def on_url(self, url: bytes) -> None:
        """A piece of its address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which is not looked at."""
        if not self.in_head:
            return
        name = name.lower()
        if name in LOOKED_AT:
            self._look(name, value)
        self._headers.append((name, value))

    def _look(self, name: bytes, value: bytes) -> None:
        if name == b"host":
            self._hosts += 1
        elif name == b"content-length":
            self._sized = True
        elif name == b"expect":
            self._expects = value.lower() == b"100-continue"
        elif name == b"upgrade":
            self._upgrade = value.strip().lower()
        elif name == b"transfer-encoding":
            self._coding = True
            if value.strip().lower() != b"chunked":
                raise CODING

    def on_headers_complete(self) -> None:
        """Its head is complete: the application can begin."""
        self.in_head = False
        parser, headers, url = self._parser, self._headers, self._url
        method = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        if version not in VERSIONS:
            raise VERSION
        if self._hosts != 1 and (version == "1.1" or self._hosts):
            raise malformed("there must be one Host header")
        if method == "CONNECT":
            raise TUNNEL
        if self._coding and version == "1.0":
            raise malformed("HTTP/1.0 has no Transfer-Encoding")
        if self._long and sum(map(len, chain((url,), *headers))) > limits.MOST_HEAD_BYTES:
            raise too_long(limits.MOST_HEAD_BYTES)
        raw, query = _target(url)
        path = raw.decode("ascii")
        connection = self._connection
        scope = {
            "type": "http",
            "asgi": ASGI,
            "http_version": version,
            "method": method,
            "scheme": connection.scheme,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": connection.client,
            "server": connection.server,
        }
        keep_alive = version == "1.1" and parser.should_keep_alive()
        expects = self._expects and version == "1.1"
        exchange = Exchange(connection, scope, connection.host.application, keep_alive, expects)
        exchange.complete = not (self._coding or self._sized or self._upgrade)
        self.arrived = exchange
        self._asked = exchange if self._upgrade == b"websocket" and method == "GET" and version == "1.1" else None
        connection.enter(exchange)

    def on_body(self, body: bytes) -> None:
        """A piece of its body."""
        exchange = self.arrived
        if exchange is not None and not exchange.answered:
            exchange.take(body)
            if exchange.buffered > limits.BUFFER:
                self._connection.regulate()

    def on_message_complete(self) -> None:
        """It is complete."""
        exchange = self.arrived
        if exchange is not None:
            self.arrived = None
            exchange.finish()
            if not exchange.keep_alive:
                self._connection.last_came()


def _target(url: bytes) -> tuple[bytes, bytes]:
    """Path and query of a request's target: /path?query, or a whole URL (RFC 9112, section 3.2)."""
    if url[:1] == b"/" and b"#" not in url:
        path, _, query = url.partition(b"?")
    else:
        try:
            parsed = httptools.parse_url(url)
        except httptools.HttpParserInvalidURLError:
            raise malformed("its address must be a path or a URL") from None
        path, query = parsed.path or b"/", parsed.query or b""
    if not path.isascii():
        raise malformed("its address must be percent-encoded")
    return path, query
