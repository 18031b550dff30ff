"""HTTP/1.1 on one connection: its exchanges are answered one after the other, and what takes too long is ended.

Specification: https://www.rfc-editor.org/rfc/rfc9112#section-9
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any

from fhir_server.rest.http1 import limits
from fhir_server.rest.http1.exchange import Exchange
from fhir_server.rest.http1.reader import Reader
from fhir_server.rest.http1.refusal import LATE, TOO_MANY, Refusal

if TYPE_CHECKING:
    from fhir_server.rest.http1.host import Host

UNREAD: dict[str, Any] = {"type": "http", "method": "GET", "http_version": "1.1"}  # of a request that can't be read


class Connection(asyncio.Protocol):
    """The protocol of one connection; all times are the host's seconds."""

    def __init__(self, host: Host) -> None:
        self.host = host
        self.transport: asyncio.Transport = None  # type: ignore[assignment]
        self.stalled: asyncio.Future[None] | None = None  # while the client does not take its answer
        self.reader = Reader(self)
        self._current: Exchange | None = None  # that is answered
        self._waiting: deque[Exchange] = deque()
        self._deaf = False  # nothing more is taken from this client
        self._ended = False  # the client sends no more
        self._lost = False
        self._leaving = False
        self._paused = False
        self._unsent = 0
        self._since = host.now  # of the present state: idle, in a head, in a body, sending, leaving
        self._heard = host.now

    # From the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self.transport = transport  # type: ignore[assignment]
        self.client = _address(transport.get_extra_info("peername"))
        self.server = _address(transport.get_extra_info("sockname"))
        self.scheme = "https" if transport.get_extra_info("sslcontext") else "http"
        self.transport.set_write_buffer_limits(high=limits.BUFFER)
        self.host.opened(self)
        if self.host.stopping:
            self.stop()

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._heard = self.host.now
        if not self._deaf:
            try:
                self.reader.read(data)
            except Refusal as refusal:
                self._refuse(refusal)

    def eof_received(self) -> bool:
        """The client sends no more, but may still take answers."""
        arrived = self.reader.arrived
        if arrived is not None and not arrived.complete:
            arrived.fail()
        self._deaf = self._ended = True
        if self._current is not None and self._current.tunnel:
            self._current.fail()
        if self._current is None or self._leaving:
            return False
        last = self._waiting[-1] if self._waiting else self._current
        last.keep_alive = False
        return self.scheme == "http"

    def connection_lost(self, problem: Exception | None) -> None:
        """The client is gone."""
        self._lost = self._deaf = True
        self._waiting.clear()
        self.resume_writing()
        if self._current is None:
            self.host.closed(self)
        else:
            self._current.fail()

    def pause_writing(self) -> None:
        """The client takes its answer more slowly than it is made."""
        if self.stalled is None:
            self.stalled = self.host.loop.create_future()
            self._since = self.host.now

    def resume_writing(self) -> None:
        """The client has taken most of its answer."""
        if self.stalled is not None:
            self.stalled.set_result(None)
            self.stalled = None
            self._since = self.host.now

    # From the reader

    def begun(self) -> None:
        """A request begins; Refusal where too many wait already."""
        self._since = self.host.now
        if len(self._waiting) >= limits.MOST_PIPELINED:
            raise TOO_MANY

    def last_came(self) -> None:
        """A request is complete that no other may follow."""
        self._deaf = True

    def enter(self, exchange: Exchange) -> None:
        """A request's head is complete: it is answered as soon as those before it are."""
        self._since = self.host.now
        if self._current is None:
            self._current = exchange  # an answer at once may come later
            if self._deaf or self.stalled is not None or not exchange.answers_at_once():
                self._start(exchange)
        else:
            self._waiting.append(exchange)
            self.regulate()

    def _start(self, exchange: Exchange) -> None:
        self._current = exchange
        exchange.task = self.host.loop.create_task(exchange.run())

    def _refuse(self, refusal: Refusal) -> None:
        """Answers what can't be read, after all that came before it, for the last time."""
        if self._deaf:
            return
        self._deaf = True
        if self.reader.arrived is not None:
            self.reader.arrived.fail()  # its application is told, and answers
        else:
            self.enter(Exchange(self, UNREAD, refusal, False, False))

    # From exchanges

    def exchanged(self, exchange: Exchange) -> None:
        """An exchange is over: the next one, or the end."""
        self._current = None
        self._since = self.host.now
        if self._lost:
            self.host.closed(self)
        elif not exchange.keep_alive or self.host.stopping:
            self._leave(exchange)
        elif exchange is self.reader.upgrading:
            self._declined(exchange)
        elif self._waiting:
            self._start(self._waiting.popleft())
            self.regulate()
        elif self._deaf:
            self._leave(exchange)

    def _declined(self, exchange: Exchange) -> None:
        try:
            self.reader.declined(exchange)
        except Refusal as refusal:
            self._refuse(refusal)
        self.regulate()

    def _leave(self, exchange: Exchange | None = None) -> None:
        """Closes, but not before the client could read its answer: unread bytes would have it thrown away."""
        self._leaving = self._deaf = True
        self._waiting.clear()
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        if exchange is None or exchange.complete or self._ended or not self.transport.can_write_eof():
            self.transport.close()
        else:
            self.transport.write_eof()

    def regulate(self) -> None:
        """Reads on, or lets the client wait while there is enough to do."""
        arrived = self.reader.arrived
        arrived = arrived or self.reader.upgrading
        full = bool(self._waiting) or (arrived is not None and arrived.buffered > limits.BUFFER)
        if full == self._paused or self._lost:
            return
        self._paused = full
        if full:
            self.transport.pause_reading()
        else:
            self._since = self._heard = self.host.now
            self.transport.resume_reading()

    def write(self, data: bytes) -> None:
        """Sends bytes, unless nobody takes them."""
        if not self._lost and data:
            self.transport.write(data)

    def write_parts(self, *parts: bytes) -> None:
        """The same with several pieces at once, which are not copied into one."""
        if not self._lost:
            self.transport.writelines(parts)

    def abort(self) -> None:
        """Ends the connection at once."""
        self.transport.abort()

    # From the host

    @property
    def busy(self) -> bool:
        """Whether a request is under way."""
        return self._current is not None

    @property
    def unsent(self) -> int:
        """Bytes of answers that the client has not taken."""
        return self.transport.get_write_buffer_size()

    def stop(self) -> None:
        """Ends the connection once the request under way is answered."""
        self._waiting.clear()
        if self._current is not None:
            self._current.stop()
        elif not self._leaving:
            self._leave()

    def cancel(self) -> None:
        """Ends the connection and what is under way on it."""
        if self._current is not None and self._current.task is not None:
            self._current.task.cancel()
        self.abort()

    def look(self, now: int) -> None:
        """Ends what has taken too long; called once a second."""
        waited = now - self._since
        arrived = self.reader.arrived
        unsent, self._unsent = self._unsent, self.unsent
        if self._unsent:
            if self._unsent < unsent:
                self._since = now
            elif waited > limits.STALLED_SECONDS:
                self.abort()
        elif self._leaving:
            if waited > limits.LINGER_SECONDS:
                self.abort()
        elif self._paused:
            return
        elif self.reader.in_head:
            if waited > limits.HEAD_SECONDS:
                self.reader.in_head = False
                self._refuse(LATE)
        elif arrived is not None:
            slow = waited > limits.SILENT_SECONDS + arrived.received // limits.SLOWEST
            if slow or now - self._heard > limits.SILENT_SECONDS:
                self._refuse(LATE)
        elif self._current is None and waited > limits.IDLE_SECONDS:
            self._leave()


def _address(name: Any) -> tuple[str, int] | None:
    """Host and port of a socket's name, None for a socket of another kind."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else None
