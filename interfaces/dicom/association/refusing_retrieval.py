"""C-MOVE and C-GET requests that are refused before anything is sent (PS3.7 sections 9.1.3 and 9.1.4).

pynetdicom would count a failed sub-operation that there was none of, and send an empty list of failed instances behind
the answer, which dcmtk's getscu does not expect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from interfaces.dicom.association.responses import alone, of_request, response

C_GET_RSP, C_MOVE_RSP = 0x8010, 0x8021


class Asking(NamedTuple):
    """What a handler's event has of a request."""

    assoc: Any
    request: Any
    context: Any


# why a retrieval is refused: status and comment; None where it is not
Refusal = Callable[[Asking], tuple[int, str] | None]


def refuse_retrieval(association: Any, request: Any, context: Any, refusal: Refusal, field: int) -> bool:
    """Answers a request that is refused; False where it is to be performed."""
    found = refusal(Asking(association, request, context.as_tuple))
    if found is None:
        return False
    command = response(field, *of_request(request), *found)
    association.dul.send_encoded(alone(context.context_id, command))
    return True
