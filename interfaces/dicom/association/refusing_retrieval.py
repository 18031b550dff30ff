"""C-MOVE and C-GET requests that are refused before anything is sent (PS3.7 sections 9.1.3 and 9.1.4).

pynetdicom would count a failed sub-operation that there was none of, and send an empty list of failed instances behind
the answer, which dcmtk's getscu does not expect.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from interfaces.dicom.association.fast_store import COMMAND_LAST, NO_DATA_SET, element

C_GET_RSP, C_MOVE_RSP = 0x8010, 0x8021


class Asking(NamedTuple):
    """What a handler's event has of a request."""

    assoc: Any
    request: Any
    context: Any


# why a retrieval is refused: status and comment; None where it is not
Refusal = Callable[[Asking], tuple[int, str] | None]


def refuse_retrieval(association: Any, request: Any, context: Any, refusal: Refusal, response: int) -> bool:
    """Answers a request that is refused; False where it is to be performed."""
    found = refusal(Asking(association, request, context.as_tuple))
    if found is None:
        return False
    status, comment = found
    sop_class = str(request.AffectedSOPClassUID).encode()
    text = comment[:64].encode("ascii", "replace")
    body = b"".join(
        (
            element(0x0002, sop_class + b"\0" * (len(sop_class) % 2)),
            element(0x0100, struct.pack("<H", response)),
            element(0x0120, struct.pack("<H", request.MessageID)),
            element(0x0800, struct.pack("<H", NO_DATA_SET)),
            element(0x0900, struct.pack("<H", status)),
            element(0x0902, text + b" " * (len(text) % 2)),
        )
    )
    command = element(0x0000, struct.pack("<I", len(body))) + body
    value = struct.pack(">IBB", len(command) + 2, context.context_id, COMMAND_LAST) + command
    association.dul.send_encoded(struct.pack(">BBI", 4, 0, len(value)) + value)
    return True
