"""Taking connections from a socket that several processes listen on, so that each has about as many.

How many each has is in core/sharing.py.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from fhir_server.core.sharing import Share

if TYPE_CHECKING:
    from fhir_server.rest.http1.host import Host

BACKLOG = 2048
AT_A_TIME = 16  # connections taken before others on the event loop have their turn
LEFT_SECONDS = 0.002  # that a connection is left to others
FULL_SECONDS = 1.0  # until the next try where no more files can be open
HANDSHAKE_SECONDS = 20


class Accepting:
    """Until stop is called; share: None where this process is the only one."""

    def __init__(self, host: Host, listening: socket.socket, tls: ssl.SSLContext | None, share: Share | None) -> None:
        self._host = host
        self._listening = listening
        self._tls = tls
        self._share = share
        self._later: asyncio.TimerHandle | None = None
        self._beginning: set[asyncio.Task[None]] = set()
        listening.setblocking(False)
        listening.listen(BACKLOG)
        host.loop.add_reader(listening, self._ready)

    def _ready(self) -> None:
        if self._share is not None and self._share.others_have_fewer(self._number()):
            self._pause(LEFT_SECONDS)
        else:
            self._take(1 if self._share is not None else AT_A_TIME)

    def _pause(self, seconds: float) -> None:
        self._host.loop.remove_reader(self._listening)
        self._later = self._host.loop.call_later(seconds, self._again)

    def _again(self) -> None:
        self._host.loop.add_reader(self._listening, self._ready)
        self._take(1)

    def _take(self, most: int) -> None:
        for _ in range(most):
            try:
                client, _ = self._listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # too many files
                self._pause(FULL_SECONDS)
                return
            task = self._host.loop.create_task(self._begin(client))
            self._beginning.add(task)
            task.add_done_callback(self._beginning.discard)
            if self._share is not None:
                self._share.note(self._number())

    def _number(self) -> int:
        return len(self._host.connections) + len(self._beginning)

    async def _begin(self, client: socket.socket) -> None:
        seconds = HANDSHAKE_SECONDS if self._tls else None
        try:
            await self._host.loop.connect_accepted_socket(
                self._host.connection, client, ssl=self._tls, ssl_handshake_timeout=seconds
            )
        except OSError:  # gone, or it can't agree on TLS
            client.close()

    def stop(self) -> None:
        """Takes no more; what was just taken is the host's to end."""
        if self._later is not None:
            self._later.cancel()
        self._host.loop.remove_reader(self._listening)
        if self._tls is not None:
            for task in self._beginning:
                task.cancel()
