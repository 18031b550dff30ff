"""A connection over TLS: its two threads don't wait for one another."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
from types import SimpleNamespace

import pytest

from interfaces.dicom.association.connection import Socket
from tests.authority import Authority


class Peer:
    """A client that decides when its records leave."""

    def __init__(self, raw: socket.socket, authority: str) -> None:
        self.raw = raw
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = ssl.create_default_context(cafile=authority).wrap_bio(self._in, self._out, False, "localhost")

    def record(self, data: bytes) -> bytes:
        """The encrypted bytes of some data."""
        self._tls.write(data)
        return self._out.read()

    def handshake(self) -> None:
        while True:
            try:
                self._tls.do_handshake()
                self.raw.sendall(self._out.read())
                return
            except ssl.SSLWantReadError:
                self.raw.sendall(self._out.read())
                self._in.write(self.raw.recv(65536))

    def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(65536)
            except ssl.SSLWantReadError:
                self._in.write(self.raw.recv(65536))


@pytest.fixture
def connected(tmp_path):
    """A connection of the server and its peer."""
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.certificate("server"))
    here, there = socket.socketpair()
    there.settimeout(10)
    peer = Peer(there, str(authority.path))
    shaking = threading.Thread(target=peer.handshake)
    shaking.start()
    here.settimeout(10)
    accepted = context.wrap_socket(here, server_side=True)
    shaking.join()
    association = SimpleNamespace(dul=SimpleNamespace(event_queue=queue.Queue(), _kill_thread=False), get_handlers=list)
    connection = Socket(association, accepted)  # type: ignore[arg-type]
    connection._acknowledge = lambda: None  # of TCP, which this is not
    yield connection, peer
    connection.close()
    connection.discard()
    there.close()


def test_half_a_record_holds_up_no_answer(connected):
    connection, peer = connected
    taken: list[bytes] = []
    reading = threading.Thread(target=lambda: taken.append(bytes(connection.take(7) or b"")))
    first, record = peer.record(b"req"), peer.record(b"uest")
    peer.raw.sendall(first + record[:5])
    reading.start()
    connection.send(b"answer to something else")
    assert peer.read() == b"answer to something else"
    assert reading.is_alive()
    peer.raw.sendall(record[5:])
    reading.join(10)
    assert taken == [b"request"]


def test_what_is_longer_than_the_peer_takes_at_once_goes_out_whole(connected):
    connection, peer = connected
    data = bytes(range(256)) * 8192
    sending = threading.Thread(target=lambda: connection.send(data))
    sending.start()
    got = bytearray()
    while len(got) < len(data):
        got += peer.read()
    sending.join(10)
    assert bytes(got) == data


def test_a_peer_that_is_gone_ends_it(connected):
    connection, peer = connected
    peer.raw.close()
    assert connection.take(1) is None


def test_an_answer_that_waits_for_a_connection_that_the_other_thread_closes_ends_it(connected):
    connection, _ = connected
    in_turn = connection._in_turn

    def closing(*given):
        try:
            return in_turn(*given)
        finally:
            connection.close()

    connection._in_turn = closing
    connection.send(bytes(1_000_000))
    assert "Evt17" in connection.event_queue.queue
