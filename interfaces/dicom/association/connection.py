"""The connection of an accepted association: a thread waits for it instead of looking every millisecond, and receives
into one buffer."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Any

from pynetdicom.association import Association
from pynetdicom.transport import AssociationSocket

from interfaces.dicom.association.patience import Patience

QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
BUFFER = 2**20  # bytes received at a time; more where a PDU is longer
IDLE_SECONDS = 0.2  # how long a thread sleeps at most before it looks at its timers


def _make_room(connection: Any) -> None:
    """Has the system take a buffer's bytes at a time from the first on, where it begins with an eighth of that.

    Linux makes the room when it is asked to wake nobody for less (tcp_set_rcvlowat), and keeps it.
    """
    with contextlib.suppress(OSError):
        for least in (BUFFER, 1):
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, least)


class Socket(AssociationSocket):
    """A connection whose thread sleeps until there are bytes, or until it is woken; no call waits within the system."""

    def __init__(self, assoc: Association, client_socket: Any) -> None:
        super().__init__(assoc, client_socket=client_socket)
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)
        self._buffer = memoryview(bytearray(BUFFER))
        self._start = self._end = 0  # what has been received and not taken
        self._sending = threading.Lock()  # answers come from two threads
        self._silent_seconds = client_socket.gettimeout()
        self._arriving = Patience(self._silent_seconds)
        self._encrypted = isinstance(client_socket, ssl.SSLSocket)
        # OpenSSL takes no reading beside a writing of another thread, and half a record must not hold up an answer
        self._turn = threading.Lock() if self._encrypted else None
        client_socket.setblocking(False)
        _make_room(client_socket)
        self.hearing: Callable[[], None] = lambda: None  # called while a PDU is on its way
        self._poll = select.poll()
        self._waking = self._woken.fileno()
        self._poll.register(self._waking, select.POLLIN)
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
        tls: Any = self.socket
        try:
            if self._start < self._end or (self._encrypted and self._in_turn(tls.pending)):
                return True
            patient = not self.event_queue.queue and not self.assoc.dul._kill_thread
            if patient:
                self._acknowledge()
            asked = time.monotonic()
            found = self._poll.poll(IDLE_SECONDS * 1000 if patient else 0)
            if self._arriving.begun:
                self._arriving.waited(time.monotonic() - asked)
        except (OSError, ValueError):
            self.event_queue.put("Evt17")
            return False
        ready = False
        for descriptor, _ in found:
            if descriptor != self._waking:
                ready = True
                continue
            with contextlib.suppress(BlockingIOError):
                self._woken.recv(4096)
        return ready

    @property
    def received(self) -> memoryview:
        """What was received and not taken, the caller's until more is received."""
        return self._buffer[self._start : self._end]

    def skip(self, count: int) -> None:
        """Takes so many bytes of what was received."""
        self._start += count

    def whole(self) -> None:
        """The message that came is whole: the next one may take its time anew."""
        self._arriving.renew()

    def receive(self) -> memoryview | None:
        """Receives what waits, once all is taken; None for nothing.

        OSError or ValueError where it has ended, TimeoutError where the message comes too slowly.
        """
        connected = self.socket
        if connected is None:
            raise ConnectionAbortedError
        try:
            got = self._in_turn(connected.recv_into, self._buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return None
        except ssl.SSLWantWriteError:
            got = self._when_possible(self._arriving, connected, select.POLLIN, connected.recv_into, self._buffer)
        if not got:
            raise ConnectionAbortedError("the peer closed")
        self._arriving.moved(got)
        self._start, self._end = 0, got
        return self._buffer[:got]

    def take(self, count: int) -> memoryview | None:
        """So many bytes, the caller's until more is received; None where the peer closed before.

        TimeoutError where the message comes too slowly.
        """
        start, end = self._start, self._start + count
        if end > self._end:
            if not self._fill(count):
                return None
            start, end = 0, count
        self._start = end
        return self._buffer[start:end]

    def recv(self, nr_bytes: int) -> bytearray:
        """So many bytes, fewer where the peer closed."""
        return bytearray(self.take(nr_bytes) or b"")

    def send(self, bytestream: bytes) -> None:
        """Sends bytes, whole before those of another thread."""
        with self._sending:
            connected = self.socket  # which the other thread may close, and take away here
            left, patience = memoryview(bytestream), Patience(self._silent_seconds)
            try:
                while left:
                    if connected is None:
                        raise ConnectionAbortedError
                    sent = self._when_possible(patience, connected, select.POLLOUT, connected.send, left)
                    patience.moved(sent)
                    left = left[sent:]
            except (OSError, ValueError):
                self.event_queue.put("Evt17")

    def _in_turn(self, work: Callable[..., int], *arguments: Any) -> int:
        if self._turn is None:
            return work(*arguments)
        with self._turn:
            return work(*arguments)

    def _when_possible(
        self, patience: Patience, connected: socket.socket, wanted: int, work: Callable[..., int], *arguments: Any
    ) -> int:
        """What a call gives once the peer lets it; TimeoutError where it never does, OSError or ValueError where the
        connection is closed. wanted: what poll has to find where the call does not say."""
        while True:
            try:
                return self._in_turn(work, *arguments)
            except BlockingIOError:
                waited = wanted
            except ssl.SSLWantReadError:
                waited = select.POLLIN
            except ssl.SSLWantWriteError:
                waited = select.POLLOUT
            waiting = select.poll()
            waiting.register(connected, waited)
            asked = time.monotonic()
            if not waiting.poll(None if self._silent_seconds is None else self._silent_seconds * 1000):
                raise TimeoutError("the peer neither sent nor took anything")
            patience.waited(time.monotonic() - asked)

    def _fill(self, count: int) -> bool:
        """Receives until so many bytes are at the buffer's beginning, and as many more as wait already; False where
        the peer closed before."""
        connected = self.socket
        assert connected is not None
        left = bytes(self.received)
        if len(self._buffer) < count:
            self._buffer = memoryview(bytearray(count))
        self._buffer[: len(left)] = left
        self._start, self._end = 0, len(left)
        while True:
            try:
                free = self._buffer[self._end :]
                got = self._when_possible(self._arriving, connected, select.POLLIN, connected.recv_into, free)
            except ConnectionResetError:
                return False
            if not got:
                return False
            self._arriving.moved(got)
            self._end += got
            if self._end >= count:
                return True
            self.hearing()
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Acknowledges at once, before a wait: a peer with Nagle's algorithm would wait 40 ms for the delayed one."""
        if QUICKACK is not None and self.socket is not None:
            self.socket.setsockopt(socket.IPPROTO_TCP, QUICKACK, 1)

    def discard(self) -> None:
        """Closes everything that is left; an association that has ended is memory until Python looks for cycles."""
        self._woken.close()
        self._waker.close()
        self._buffer = memoryview(bytearray())
        self._start = self._end = 0
