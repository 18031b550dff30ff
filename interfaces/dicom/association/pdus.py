"""P-DATA-TF PDUs (PS3.8 section 9.3.5), as bytes."""

from __future__ import annotations

import struct
from typing import Any

P_DATA_TF = 4  # type of a PDU
COMMAND, DATA_SET, LAST = 1, 0, 2  # message control header (annex E.2): what a fragment is of, and that nothing follows
PLAIN = struct.Struct(">BxLLBB")  # ahead of the only value: type, length; the value's length, context, control header
UNLIMITED = 128 * 1024  # bytes of a PDU to a peer that sets no limit
HEAD = 6  # bytes of a PDU that come before a value, and count


def longest(association: Any) -> int:
    """Bytes of the longest PDU that the peer of an association takes."""
    peer = association.acceptor if association.is_requestor else association.requestor
    return peer.maximum_length or UNLIMITED


def pdus(context: int, content: bytes | memoryview, kind: int, most: int, *, whole: bool = True) -> bytes:
    """The PDUs of a command or a data set, one presentation data value each; whole: its end is in the content."""
    made = bytearray()
    size = most - HEAD
    for at in range(0, max(len(content), 1), size):
        part = content[at : at + size]
        header = kind | (LAST if whole and at + size >= len(content) else 0)
        made += PLAIN.pack(P_DATA_TF, len(part) + 6, len(part) + 2, context, header)
        made += part
    return bytes(made)
