"""What all connections of a process share: the application, the time, and that they must end."""

from __future__ import annotations

import asyncio
import email.utils
import time
from collections.abc import Callable
from typing import Any

from fhir_server.core.sharing import Share
from fhir_server.rest.http1.connection import Connection

Answer = Callable[[int, list[tuple[bytes, bytes]], bytes], None]
AtOnce = Callable[[dict[str, Any], Answer], bool]

LONGEST_TICK = 5  # seconds of one tick that count; a busy loop's take longer than one
STEP = 0.05  # seconds between two looks whether all is answered


class Host:
    """Of the running event loop. now: seconds that it has served, by a clock that only grows; date: the header line of
    this second.

    A time in which the process stood still, as a stopped or suspended one does, is none in which its clients were late:
    what they have sent is not read yet.

    An application that has started may have a function at_once beside ASGI: of a scope whose body is empty it tells
    whether it answers without being called by ASGI. It calls what it is given with status, headers with the length, and
    body then: once, at once or later.
    """

    def __init__(
        self, application: Any, share: Share | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.application = application
        self.at_once: AtOnce | None = getattr(application, "at_once", None)
        self._share = share
        self.loop = asyncio.get_running_loop()
        self.connections: set[Connection] = set()
        self.stopping = False
        self._clock = clock
        self._looked = clock()
        self._served = 0.0
        self._tick()

    def _tick(self) -> None:
        looked, self._looked = self._looked, self._clock()
        self._served += min(self._looked - looked, LONGEST_TICK)
        self.now = int(self._served)
        self.date = b"date: %b" % email.utils.formatdate(usegmt=True).encode()
        for connection in tuple(self.connections):
            connection.look(self.now)
        self._next = self.loop.call_later(1, self._tick)

    def connection(self) -> Connection:
        """The protocol of a new connection."""
        return Connection(self)

    def opened(self, connection: Connection) -> None:
        """A client is there."""
        self.connections.add(connection)
        self._noted()

    def closed(self, connection: Connection) -> None:
        """One is gone, and nothing is under way for it."""
        self.connections.discard(connection)
        self._noted()

    def _noted(self) -> None:
        if self._share is not None:
            self._share.note(len(self.connections))

    async def stop(self, seconds: float, at_once: asyncio.Event) -> None:
        """Ends every connection: those with a request under way when it is answered, after so many seconds all."""
        self.stopping = True
        end = self.loop.time() + seconds
        for connection in tuple(self.connections):
            connection.stop()
        while any(c.busy for c in self.connections) and self.loop.time() < end and not at_once.is_set():
            await asyncio.sleep(STEP)
        for connection in tuple(self.connections):
            if connection.busy:
                connection.cancel()
        while any(c.unsent for c in self.connections) and self.loop.time() < end and not at_once.is_set():
            await asyncio.sleep(STEP)
        self._next.cancel()
