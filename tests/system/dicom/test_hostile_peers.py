"""Peers that keep to nothing: what they hold up, and what the archive holds for them, has an end."""

from __future__ import annotations

import contextlib
import struct
import time

import pytest

from interfaces.dicom.association.upper_layer import LONGEST_MESSAGE
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


@pytest.fixture
def encrypted(dicom_with, tmp_path):
    """An archive that takes one association by TLS and waits two seconds."""
    certificate, key = Authority(tmp_path).certificate("server")
    tls = {"dicom_tls_certificate": str(certificate), "dicom_tls_key": str(key)}
    return dicom_with(dicom_max_associations=1, dicom_timeout_seconds=2, **tls)


def test_a_tls_handshake_of_single_bytes_ends(encrypted):
    with connected(encrypted.port, b"\x16\x03\x01\x02\x00") as connection:
        connection.settimeout(0.2)

        def over() -> bool:
            try:
                connection.sendall(b"\x01")
                return connection.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        until(over, 20)


def test_tls_handshakes_that_go_on_are_counted(encrypted):
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connected(encrypted.port)) for _ in range(4)]
        time.sleep(0.2)  # for all to have been accepted
        with connected(encrypted.port) as one_more:
            assert one_more.recv(1) == b""
        for connection in waiting:
            assert connection.recv(1) == b""


@pytest.mark.parametrize("header", [0, COMMAND])
def test_a_message_without_an_end_ends_the_association(dicom, header):
    connection = connected(dicom.port, request(FIND))
    assert pdu(connection)[0] == ACCEPT
    if not header:
        connection.sendall(data(1, COMMAND | LAST, QUERY))
    piece = data(1, header, bytes(65536))
    with pytest.raises(OSError):
        for _ in range(16 * LONGEST_MESSAGE // len(piece)):
            connection.sendall(piece)
    connection.close()
    assert dicom.tool("echoscu").returncode == 0


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
