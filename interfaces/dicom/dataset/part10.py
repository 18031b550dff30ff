"""Files of PS3.10: the preamble and the file meta information before a data set that stays as it came."""

from __future__ import annotations

import functools
import struct
import zlib
from typing import NamedTuple

from interfaces.dicom.dataset.syntaxes import syntax
from interfaces.dicom.dataset.vrs import LONG
from interfaces.dicom.dataset.walk import DataSet, Malformed

IMPLEMENTATION_UID = "2.25.196532310945830451906382405717423980511"
IMPLEMENTATION_NAME = "ULTIMATE_HMS"
NAMES = (0x00080016, 0x00080018)  # SOP Class UID, SOP Instance UID
LONG_VRS = frozenset(vr.encode() for vr in LONG)
INFLATED = 64 * 1024  # bytes of a deflated data set in which its names stand
_PREAMBLE = b"\0" * 128 + b"DICM"


class Meta(NamedTuple):
    """What the file meta information says, and where the data set starts."""

    sop_class: str
    sop_instance: str
    transfer_syntax: str
    start: int


def header(sop_class: str, sop_instance: str, transfer_syntax: str) -> bytes:
    """Everything before the data set; the same for the same three UIDs, so that same bytes are the same file."""
    before, after = _around(sop_class, transfer_syntax)
    elements = before + _uid(0x03, sop_instance) + after
    return _PREAMBLE + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(elements)) + elements


@functools.lru_cache(maxsize=256)
def _around(sop_class: str, transfer_syntax: str) -> tuple[bytes, bytes]:
    """What is before the SOP Instance UID, and after it."""
    before = struct.pack("<HH2sHI", 2, 1, b"OB", 0, 2) + b"\0\1" + _uid(0x02, sop_class)
    written_by = _uid(0x12, IMPLEMENTATION_UID) + _short(0x13, b"SH", IMPLEMENTATION_NAME.encode())
    return before, _uid(0x10, transfer_syntax) + written_by


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
        if group != 2 or number in found:  # what stands there twice is the data set's trouble
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


def read_names(data: bytes | memoryview, meta: Meta) -> tuple[str, str]:
    """SOP Class UID and SOP Instance UID at the beginning of a data set, by the meta information where they are not."""
    how = syntax(meta.transfer_syntax)
    if how.deflated:
        data = _inflated(data)
    head = struct.Struct((">" if how.big else "<") + "HH2sH")
    length_of = struct.Struct((">" if how.big else "<") + "I")
    found = {NAMES[0]: meta.sop_class, NAMES[1]: meta.sop_instance}
    at = 0
    while at + 12 <= len(data):
        group, number, vr, length = head.unpack_from(data, at)
        tag, start = group << 16 | number, at + 8
        if tag > NAMES[1]:
            break
        if how.implicit:
            (length,) = length_of.unpack_from(data, at + 4)
        elif vr in LONG_VRS:
            (length,), start = length_of.unpack_from(data, at + 8), at + 12
        at = start + length
        if tag in found and at <= len(data):
            found[tag] = bytes(data[start:at]).strip(b"\0 ").decode("latin-1")
    return found[NAMES[0]], found[NAMES[1]]


def _inflated(data: bytes | memoryview) -> bytes:
    """What the beginning of a deflated data set begins with."""
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, INFLATED)
    except zlib.error:
        return b""


def read_file(data: bytes | memoryview) -> tuple[Meta, DataSet]:
    """A whole file: what its meta information says, and its data set walked."""
    meta = read_meta(data)
    return meta, DataSet(memoryview(data)[meta.start :], meta.transfer_syntax)
