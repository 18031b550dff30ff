"""One request and its answer, as ASGI's receive and send (https://asgi.readthedocs.io/en/latest/specs/www.html)."""

from __future__ import annotations

import asyncio
import http
import re
from typing import TYPE_CHECKING, Any

import structlog

from fhir_server.rest.http1.limits import BUFFER
from fhir_server.rest.http1.refusal import FAILED

if TYPE_CHECKING:
    from fhir_server.rest.http1.connection import Connection

STATUS_LINES = {status.value: b"HTTP/1.1 %d %s" % (status, status.phrase.encode()) for status in http.HTTPStatus}
SWITCHING = 101
WITHOUT_BODY = (204, 304)
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
DISCONNECT = {"type": "http.disconnect"}
APART = 64 * 1024  # bytes of a body that are not worth copying behind a head
STRICT_TRANSPORT = b"strict-transport-security: max-age=31536000"
_FIELD = b": ".join  # of a name and a value
_CONTROLS = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

Pairs = list[tuple[bytes, bytes]]

log = structlog.get_logger("http")


class Exchange:
    """What the connection has received of a request so far, and has sent of its answer.

    complete: the body is all here; broken: the rest of it will never come; keep_alive: whether another request may
    follow on the connection; answered: the answer is all sent; tunnel: status 101 was answered, so that receive
    gives the connection's bytes as they come, and what is sent goes out as it is.
    """

    __slots__ = (
        "_chunked",
        "_connection",
        "_head",
        "_left",
        "_more",
        "_parts",
        "_taken",
        "_waiter",
        "answered",
        "application",
        "broken",
        "buffered",
        "complete",
        "expects",
        "keep_alive",
        "received",
        "scope",
        "task",
        "tunnel",
    )

    def __init__(
        self, connection: Connection, scope: dict[str, Any], application: Any, keep_alive: bool, expects: bool
    ) -> None:
        self._connection = connection
        self.scope = scope
        self.application = application
        self.keep_alive = keep_alive
        self.expects = expects
        self.task: asyncio.Task[None] | None = None
        self._parts: list[bytes] = []
        self._more = bytearray()
        self.buffered = 0
        self.received = 0
        self.complete = self.broken = self.answered = self.tunnel = False
        self._taken = False
        self._waiter: asyncio.Future[None] | None = None
        self._head: tuple[int, Pairs] | None = None
        self._chunked = False
        self._left = -1  # bytes of the body that were announced and are not sent; -1 for not announced

    async def run(self) -> None:
        """Has the application answer; an answer that it leaves out or breaks off is made up for."""
        connection = self._connection
        try:
            try:
                await self.application(self.scope, self.receive, self.send)
            except Exception:
                log.exception("request failed")
            if not self.answered and self._head is None:
                self.keep_alive = False
                await FAILED(self.scope, self.receive, self.send)
            if connection.stalled is not None:
                await connection.stalled
        finally:
            if not self.answered:
                connection.abort()
            connection.exchanged(self)

    def answers_at_once(self) -> bool:
        """Whether the application answers without ASGI, a task and its turn: now, or later by itself."""
        at_once = self._connection.host.at_once
        return self.complete and at_once is not None and at_once(self.scope, self.answer)

    def answer(self, status: int, headers: Pairs, body: bytes) -> None:
        """Sends an answer, whole, of such an application."""
        self._write(self._begin(status, headers, body, False), body)
        self.answered = True
        self._connection.exchanged(self)

    # From the connection

    def take(self, body: bytes) -> None:
        """A piece of the body came."""
        self._parts.append(body)
        self.received += len(body)
        self.buffered += len(body)
        if self.buffered > BUFFER:
            self._wake()

    def take_more(self, data: bytes) -> None:
        """Bytes came after a request to upgrade."""
        self._more += data
        self.buffered = len(self._more)
        self._wake()

    def untaken(self) -> bytes:
        """What came after the request and nobody has taken; it is the caller's now."""
        data, self._more, self.buffered = bytes(self._more), bytearray(), 0
        return data

    def finish(self) -> None:
        """The body is complete."""
        self.complete = True
        self._wake()

    def fail(self) -> None:
        """The rest of the body never comes, or nobody waits for the answer any more."""
        self.broken = True
        self.keep_alive = False
        self._wake()

    def stop(self) -> None:
        """The server ends: an answer that has no end of its own must find one."""
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # To the application

    async def receive(self) -> dict[str, Any]:
        """ASGI: the body, whole where it has come so far, else in pieces of about BUFFER bytes."""
        if self.tunnel:
            return await self._raw()
        if self._taken:
            while not (self.broken or self.answered or self._connection.host.stopping):
                await self._news()
            return DISCONNECT
        while not (self.complete or self.broken or self.answered or self.buffered > BUFFER):
            if self.expects and not self._parts:
                self._connection.write(CONTINUE)
            self.expects = False
            await self._news()
        if self.answered or (self.broken and not self.complete):
            return DISCONNECT
        parts = self._parts
        body = parts[0] if len(parts) == 1 else b"".join(parts)
        self._parts = []
        self.buffered = 0
        self._taken = self.complete
        self._connection.regulate()
        return {"type": "http.request", "body": body, "more_body": not self.complete}

    async def _raw(self) -> dict[str, Any]:
        """The bytes that came since."""
        while not (self._more or self.broken or self.answered or self._connection.host.stopping):
            await self._news()
        if not self._more:
            return DISCONNECT
        data = self.untaken()
        self._connection.regulate()
        return {"type": "http.request", "body": data, "more_body": True}

    def _news(self) -> asyncio.Future[None]:
        self._waiter = self._connection.host.loop.create_future()
        return self._waiter

    async def send(self, message: dict[str, Any]) -> None:
        """ASGI: the head is sent with the first piece of the body, in one write."""
        connection = self._connection
        if message["type"] == "http.response.start":
            if self._head is not None:
                raise RuntimeError("an answer has one start")
            self._head = message["status"], message["headers"]
            return
        if self._head is None or self.answered:
            raise RuntimeError("a body follows the start of its answer, once")
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        status, headers = self._head
        head = b""
        if headers is not None:
            head = self._begin(status, headers, body, more)
            self._head = status, None  # type: ignore[assignment]
        body = b"" if self.scope["method"] == "HEAD" or status in WITHOUT_BODY else self._framed(body, more)
        self._write(head, body)
        if not more:
            self.answered = True
            self._wake()
        elif connection.stalled is not None:
            await connection.stalled

    def _begin(self, status: int, headers: Pairs, body: bytes, more: bool) -> bytes:
        """Status line and headers; decides how the body's end is told."""
        host = self._connection.host
        lines = [STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status, *map(_FIELD, headers), host.date]
        if self._connection.scheme == "https":
            lines.append(STRICT_TRANSPORT)
        if status == SWITCHING:
            self.tunnel = True
            self.keep_alive = False
            return b"\r\n".join(lines) + b"\r\n\r\n"
        length = dict(headers).get(b"content-length")
        if length is not None:
            self._left = int(length)
        elif status not in WITHOUT_BODY and (more or body or self.scope["method"] != "HEAD"):
            if not more:
                lines.append(b"content-length: %d" % len(body))
                self._left = len(body)
            elif self.scope["http_version"] == "1.0":
                self.keep_alive = False
            else:
                self._chunked = True
                lines.append(b"transfer-encoding: chunked")
        if not self.complete or host.stopping:
            self.keep_alive = False
        if not self.keep_alive:
            lines.append(b"connection: close")
        head = b"\r\n".join(lines)
        if head.count(b"\n") != len(lines) - 1 or head.count(b"\r") != len(lines) - 1 or b"\0" in head:
            head = b"\r\n".join(_CONTROLS.sub(b" ", line) for line in lines)
        return head + b"\r\n\r\n"

    def _write(self, head: bytes, body: bytes) -> None:
        if len(body) < APART:
            self._connection.write(head + body)
        else:
            self._connection.write_parts(head, body)

    def _framed(self, body: bytes, more: bool) -> bytes:
        if self._chunked:
            chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            return chunk if more else chunk + b"0\r\n\r\n"
        if self._left >= 0:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body is not as long as its Content-Length")
        return body
