"""Command sets of responses as bytes (PS3.7 sections 9.3 and E.1), which are short and always the same."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any

from interfaces.dicom.association.pdus import COMMAND, LAST, P_DATA_TF, PLAIN

NO_DATA_SET, WITH_DATA_SET = 0x0101, 0x0001
MOST_COUNTED = 0xFFFF
SOP_CLASS, FIELD, DATA_SET_TYPE, SOP_INSTANCE = 0x0002, 0x0100, 0x0800, 0x1000
US, UL = struct.Struct("<HHIH"), struct.Struct("<HHII")  # elements of such a value: group, number, length, value


def response(
    field: int,
    sop_class: bytes,
    message: bytes,
    status: int,
    comment: str = "",
    *,
    data_set: int = NO_DATA_SET,
    sop_instance: bytes = b"",
    counts: Iterable[tuple[int, int]] = (),
) -> bytes:
    """The command set that answers a request; UIDs of even length, message: the request's Message ID as it came.

    counts: of sub-operations, each with the number of its element in group 0000, in their order.
    """
    parts = [
        element(SOP_CLASS, sop_class),
        US.pack(0, FIELD, 2, field),
        element(0x0120, message),
        US.pack(0, DATA_SET_TYPE, 2, data_set),
        US.pack(0, 0x0900, 2, status),
    ]
    if comment:
        text = comment[:64].encode("ascii", "replace")
        parts.append(element(0x0902, text + b" " * (len(text) % 2)))
    if sop_instance:
        parts.append(element(SOP_INSTANCE, sop_instance))
    parts += [US.pack(0, number, 2, min(count, MOST_COUNTED)) for number, count in counts]
    return command_set(parts)


def command_set(parts: Iterable[bytes]) -> bytes:
    """Elements in their order as a command set, with its group length."""
    body = b"".join(parts)
    return UL.pack(0, 0, 4, len(body)) + body


def alone(context: int, command: bytes) -> bytes:
    """The P-DATA-TF PDU of a command set that no data set follows."""
    return PLAIN.pack(P_DATA_TF, len(command) + 6, len(command) + 2, context, COMMAND | LAST) + command


def element(number: int, value: bytes) -> bytes:
    """An element of a command set by its number in group 0000, of an even length."""
    return struct.pack("<HHI", 0, number, len(value)) + value


def of_request(request: Any) -> tuple[bytes, bytes]:
    """The SOP class and the Message ID of pynetdicom's request, as a response has them."""
    sop_class = str(request.AffectedSOPClassUID).encode()
    return sop_class + b"\0" * (len(sop_class) % 2), struct.pack("<H", request.MessageID)
