"""Files of PS3.10: the preamble and the file meta information before a data set that stays as it came."""

from __future__ import annotations

import struct
from typing import NamedTuple

from interfaces.dicom.dataset.walk import DataSet, Malformed

IMPLEMENTATION_UID = "2.25.196532310945830451906382405717423980511"
IMPLEMENTATION_NAME = "ULTIMATE_HMS"
_PREAMBLE = b"\0" * 128 + b"DICM"


class Meta(NamedTuple):
    """What the file meta information says, and where the data set starts."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    start: int


def header(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Everything before the data set; the same for the same three UIDs, so that same bytes are the same file."""
    elements = b"".join(
        (
            struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\0\1",
            _uid(0x02, sop_class),
            _uid(0x03, sop_instance),
            _uid(0x10, transfer_syntax),
            _uid(0x12, IMPLEMENTATION_UID),
            _short(0x13, b"SH", IMPLEMENTATION_NAME.encode()),
        )
    )
    return _PREAMBLE + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements)) + elements


def _uid(number: int, uid: str) -> bytes:
    encoded = uid.encode("ascii")
    return _short(number, b"UI", encoded + b"\0" * (len(encoded) % 2))


def _short(number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def read_meta(data: bytes | memoryview) -> Meta:
    """The file meta information of a whole file or its beginning; Malformed where it is no file of PS3.10."""
    found: dict[int, str] = {}
    at = 132
    if bytes(data[:2]) == b"\2\0":  # some senders leave the preamble out
        at = 0
    elif len(data) < 144 or bytes(data[128:132]) != b"DICM":
        raise Malformed("no DICOM file: the letters DICM are not at byte 128")
    while at + 8 <= len(data):
        group, number, vr, length = struct.unpack_from("<HH2sH", data, at)
        if group != 2:
            break
        start = at + 8
        if vr in (b"OB", b"UN", b"OW", b"SQ", b"UT"):
            (length,) = struct.unpack_from("<I", data, at + 8)
            start = at + 12
        if start + length > len(data):
            raise Malformed("the file meta information is cut short")
        found[number] = bytes(data[start : start + length]).rstrip(b"\0 ").decode("latin-1")
        at = start + length
    if 0x10 not in found:
        raise Malformed("the file meta information has no transfer syntax")
    return Meta(found.get(0x02, ""), found.get(0x03, ""), found[0x10], at)


def read_file(data: bytes | memoryview) -> tuple[Meta, DataSet]:
    """A whole file: what its meta information says, and its data set walked."""
    meta = read_meta(data)
    return meta, DataSet(memoryview(data)[meta.start :], meta.transfer_syntax)
