"""The connection of an accepted association: a thread waits for it instead of looking every millisecond, and receives
into one buffer."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from typing import Any

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
BUFFER = 2**20  # bytes received at a time; more where a PDU is longer
IDLE_SECONDS = 0.2  # how long a thread sleeps at most before it looks at its timers


class Socket(AssociationSocket):
    """A connection whose thread sleeps until there are bytes, or until it is woken."""

    def __init__(self, assoc: Association, client_socket: Any) -> None:
        super().__init__(assoc, client_socket=client_socket)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._buffer = bytearray(BUFFER)
        self._start = self._end = 0  # what has been received and not taken
        self._sending = threading.Lock()  # answers come from two threads
        # OpenSSL takes no reading beside a writing of another thread
        self._reading = self._sending if isinstance(client_socket, ssl.SSLSocket) else contextlib.nullcontext()
        self._poll = select.poll()
        self._poll.register(self._woken, select.POLLIN)
        self._poll.register(client_socket, select.POLLIN)

    def wake(self) -> None:
        """Ends the wait of the thread that reads."""
        with contextlib.suppress(BlockingIOError, OSError):
            self._waker.send(b"\0")

    @property
    def ready(self) -> bool:
        """Whether there are bytes; waits a while for them where nothing else is to be done."""
        if self.socket is None or not self._is_connected:
            return False
        pending = getattr(self.socket, "pending", None)
        if self._start < self._end or (pending and pending()):
            return True
        patient = self.event_queue.empty() and not self.assoc.dul._kill_thread
        try:
            found = self._poll.poll(0)
            if not found and patient:
                self._acknowledge()
                found = self._poll.poll(IDLE_SECONDS * 1000)
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False
        ready = False
        for descriptor, _ in found:
            if descriptor == self._woken.fileno():
                with contextlib.suppress(BlockingIOError):
                    self._woken.recv(4096)
            else:
                ready = True
        return ready

    def take(self, count: int) -> memoryview | None:
        """So many bytes, the caller's until the next call; None where the peer closed before."""
        if self._end - self._start < count:
            self._fill(count)
        if self._end - self._start < count:
            return None
        self._start += count
        return memoryview(self._buffer)[self._start - count : self._start]

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes, fewer where the peer closed."""
        return bytearray(self.take(nr_bytes) or b"")

    def send(self, bytestream: bytes) -> None:
        """Sends bytes, whole before those of another thread."""
        with self._sending:
            super().send(bytestream)

    def _fill(self, count: int) -> None:
        """Receives until so many bytes are there, and as many more as wait already."""
        assert self.socket is not None
        if self._start == self._end or len(self._buffer) - self._start < count:
            left = self._buffer[self._start : self._end]
            if len(self._buffer) < count:
                self._buffer = bytearray(count)
            self._buffer[: len(left)] = left
            self._start, self._end = 0, len(left)
        view, enough = memoryview(self._buffer), self._start + count
        while self._end < enough:
            with self._reading:
                got = self.socket.recv_into(view[self._end :])
            if not got:
                return
            self._end += got
            if self._end < enough:
                self._acknowledge()

    def _acknowledge(self) -> None:
        """Acknowledges at once, before a wait: a peer with Nagle's algorithm would wait 40 ms for the delayed one."""
        if QUICKACK is not None and self.socket is not None:
            self.socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)

    def discard(self) -> None:
        """Closes everything that is left."""
        self._woken.close()
        self._waker.close()
