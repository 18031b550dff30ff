"""Peers that keep to nothing: what they hold up, and what the archive holds for them, has an end."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import time

import pytest

from tests.authority import Authority
from tests.system.dicom.conftest import until
from tests.system.dicom.upper_layer import (
    ABORT,
    ACCEPT,
    COMMAND,
    FIND,
    LAST,
    VERIFICATION,
    command,
    connected,
    data,
    pdu,
    request,
)

MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
QUERY = command(e0002=FIND, e0100=0x0020, e0110=7, e0700=0, e0800=1)
KEYS = b"\x08\0\x52\0\6\0\0\0IMAGE \x08\0\x18\0\0\0\0\0"
GARBAGE = [
    b"GET / HTTP/1.1\r\n\r\n",
    b"\x16\x03\x01\0\xc8\x01\0\0\xc4\x03\x03",  # the begin of TLS
    data(1, COMMAND | LAST, QUERY),
    struct.pack(">BxIxxxx", 5, 4),  # A-RELEASE-RQ
    struct.pack(">BxI", 1, 2**32 - 1),
    struct.pack(">BxI", 1, 0),
    request("1." + "2" * 80),
]


def test_what_is_no_request_for_an_association_holds_no_place(dicom_with):
    dicom = dicom_with(dicom_max_associations=1)
    for garbage in GARBAGE * 2:
        with connected(dicom.port, garbage) as connection:
            assert pdu(connection)[0] in (ABORT, 0)
    until(lambda: dicom.tool("echoscu").returncode == 0, 10)


def test_an_abort_before_any_request_holds_no_place(dicom_with):
    dicom = dicom_with(dicom_max_associations=1)
    for _ in range(8):
        with connected(dicom.port, struct.pack(">BxIxxxx", 7, 4)) as connection:
            assert pdu(connection) == (0, b"")
    until(lambda: dicom.tool("echoscu").returncode == 0, 10)


def test_tls_handshakes_that_go_on_are_counted(dicom_with, tmp_path):
    certificate, key = Authority(tmp_path).certificate("server")
    tls = {"dicom_tls_certificate": str(certificate), "dicom_tls_key": str(key)}
    dicom = dicom_with(dicom_max_associations=1, **tls)
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connected(dicom.port)) for _ in range(4)]
        with connected(dicom.port) as one_more:
            one_more.settimeout(10)  # the handshakes of those that wait may take a minute
            assert one_more.recv(1) == b""
        for connection in waiting:
            connection.close()
    until(lambda: _accepted(dicom.port, str(tmp_path / "authority.pem")), 10)


def _accepted(port: int, authority: str) -> bool:
    """Whether a TLS handshake is answered."""
    try:
        with connected(port) as connection:
            ssl.create_default_context(cafile=authority).wrap_socket(connection, server_hostname="localhost").close()
            return True
    except OSError:
        return False


@pytest.mark.parametrize("header", [0, COMMAND])
def test_a_message_without_an_end_ends_the_association(dicom, header):
    connection = connected(dicom.port, request(FIND))
    assert pdu(connection)[0] == ACCEPT
    if not header:
        connection.sendall(data(1, COMMAND | LAST, QUERY))
    pieces = data(1, header, bytes(65536)) * 16

    def over() -> bool:
        try:
            connection.sendall(pieces)
            return False
        except OSError:
            return True

    until(over)
    connection.close()
    assert dicom.tool("echoscu").returncode == 0


CT, UID = "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4"
STORE = command(e0002=CT, e0100=1, e0110=7, e0700=0, e0800=1, e1000=UID)


@pytest.mark.parametrize(
    ("sop_class", "begun", "piece"),
    [
        (FIND, struct.pack(">BxI", 4, 60_000), b"\0"),
        (FIND, data(1, COMMAND | LAST, QUERY), data(1, 0, b"\0")),
        (CT, data(1, COMMAND | LAST, STORE) + struct.pack(">BxIIBB", 4, 60_006, 60_002, 1, 0), b"\0"),
        (CT, data(1, COMMAND | LAST, STORE), data(1, 0, b"\0")),
    ],
    ids=["a PDU", "a query", "a data set's PDU", "a data set"],
)
def test_a_message_that_comes_bit_by_bit_holds_no_place_for_ever(dicom_with, sop_class, begun, piece):
    dicom = dicom_with(dicom_max_associations=1, dicom_timeout_seconds=1)
    with connected(dicom.port, request(sop_class)) as connection:
        assert pdu(connection)[0] == ACCEPT
        connection.sendall(begun)
        assert _dripped(connection, piece)
        until(lambda: dicom.tool("echoscu").returncode == 0, 10)
    until(lambda: not list((dicom.archive.folder / "files" / "incoming").iterdir()), 10)


def test_a_request_for_an_association_that_comes_bit_by_bit_has_an_end(dicom_with):
    dicom = dicom_with(dicom_timeout_seconds=1)
    with connected(dicom.port, request(FIND)[:10]) as connection:
        assert _dripped(connection, b"\0")


def test_a_slow_line_takes_longer_for_a_pdu_than_a_silent_one_is_kept(dicom_with):
    dicom = dicom_with(dicom_timeout_seconds=1)
    keys = KEYS + struct.pack("<HHI", 0x0020, 0x4000, 60_000) + b" " * 60_000
    query = data(1, COMMAND | LAST, QUERY) + data(1, LAST, keys)
    with connected(dicom.port, request(FIND)) as connection:
        assert pdu(connection)[0] == ACCEPT
        for at in range(0, len(query), 2500):
            connection.sendall(query[at : at + 2500])
            time.sleep(0.1)
        assert status(pdu(connection)[1]) == 0


def _dripped(connection: socket.socket, piece: bytes) -> bool:
    """Whether a peer that goes on with one piece after another is told that the association has ended."""
    connection.settimeout(0.1)
    for _ in range(100):
        with contextlib.suppress(TimeoutError):
            return connection.recv(1) in (b"", bytes((ABORT,)))
        connection.sendall(piece)
    return False


def test_a_query_of_the_largest_pieces_is_answered(dicom):
    with connected(dicom.port, request(FIND)) as connection:
        assert pdu(connection)[0] == ACCEPT
        long = struct.pack("<HHI", 0x0020, 0x4000, 2**20) + b" " * 2**20  # Image Comments
        for _ in range(20):
            connection.sendall(data(1, COMMAND | LAST, QUERY))
            whole = KEYS + long
            for at in range(0, len(whole), 65536):
                connection.sendall(data(1, LAST if at + 65536 >= len(whole) else 0, whole[at : at + 65536]))
            assert status(pdu(connection)[1]) == 0


@pytest.mark.parametrize(
    "asked",
    [
        command(e0002=FIND, e0100=0x0020, e0700=0, e0800=1),  # no Message ID
        command(e0002=MOVE, e0100=0x0021, e0110=7, e0700=0, e0800=1),  # no Move Destination
    ],
)
def test_a_request_that_can_not_be_answered_is_not_left_waiting(dicom, asked):
    with connected(dicom.port, request(FIND, MOVE)) as connection:
        assert pdu(connection)[0] == ACCEPT
        connection.sendall(data(3, COMMAND | LAST, asked) + data(3, LAST, KEYS))
        assert pdu(connection)[0] == ABORT


def test_items_of_user_information_that_nobody_knows_are_passed_over(dicom):
    with connected(dicom.port, request(VERIFICATION, more=b"\x99\0\0\4abcd")) as connection:
        assert pdu(connection)[0] == ACCEPT


def status(body: bytes) -> int | None:
    """The status in a P-DATA-TF's first value; None where that is no command."""
    if not body[5] & COMMAND:
        return None
    at = 6
    while at < len(body):
        _, number, length = struct.unpack_from("<HHI", body, at)
        if number == 0x0900:
            return int.from_bytes(body[at + 8 : at + 8 + length], "little")
        at += 8 + length
    return None
