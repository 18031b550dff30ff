"""PDUs of PS3.8 as bytes, as a peer that keeps to nothing may send them."""

from __future__ import annotations

import socket
import struct

from tests.system.dicom.conftest import TITLE

IMPLICIT, VERIFICATION, FIND = "1.2.840.10008.1.2", "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.2.2.1"
ABORT, ACCEPT = 7, 2
COMMAND, LAST = 1, 2  # message control header


def item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content)) + content


def request(*sop_classes: str, more: bytes = b"") -> bytes:
    """An A-ASSOCIATE-RQ with a context for each SOP class, from 1 in odd numbers; more: items of user information."""
    contexts = b"".join(
        item(0x20, bytes((2 * at + 1, 0, 0, 0)) + item(0x30, each.encode()) + item(0x40, IMPLICIT.encode()))
        for at, each in enumerate(sop_classes)
    )
    user = item(0x50, item(0x51, struct.pack(">I", 16384)) + item(0x52, b"1.2.3") + more)
    body = struct.pack(">HH16s16s32x", 1, 0, TITLE.encode().ljust(16), b"MODALITY".ljust(16))
    body += item(0x10, b"1.2.840.10008.3.1.1.1") + contexts + user
    return struct.pack(">BxI", 1, len(body)) + body


def data(context: int, header: int, content: bytes) -> bytes:
    """A P-DATA-TF with one value."""
    return struct.pack(">BxIIBB", 4, len(content) + 6, len(content) + 2, context, header) + content


def command(**elements: int | str) -> bytes:
    """A command set: elements by number, as e0100=0x20, a text for a UID."""
    body = b""
    for number, value in elements.items():
        encoded = struct.pack("<H", value) if isinstance(value, int) else value.encode() + b"\0" * (len(value) % 2)
        body += struct.pack("<HHI", 0, int(number[1:], 16), len(encoded)) + encoded
    return struct.pack("<HHII", 0, 0, 4, len(body)) + body


def connected(port: int, first: bytes = b"") -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port), timeout=30)
    made.sendall(first)
    return made


def pdu(connection: socket.socket) -> tuple[int, bytes]:
    """The next PDU: its type and what follows its head; (0, b"") at the end."""
    head = _received(connection, 6)
    if len(head) < 6:
        return 0, b""
    kind, length = struct.unpack(">BxI", head)
    return kind, _received(connection, length)


def _received(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count and (part := connection.recv(count - len(got))):
        got += part
    return got
