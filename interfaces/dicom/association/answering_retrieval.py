"""C-MOVE and C-GET answered as their handlers go on (PS3.7 sections 9.1.3 and 9.1.4, PS3.4 annexes C.4.2 and C.4.3).

pynetdicom counts what remains in the last response too, names itself as who asked for a move, and sends a list of what
failed where nothing did.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import structlog
from pynetdicom import evt
from pynetdicom.dimse_primitives import C_MOVE

from interfaces.dicom.association.pdus import COMMAND, DATA_SET, longest, pdus
from interfaces.dicom.association.responses import NO_DATA_SET, WITH_DATA_SET, of_request, response
from interfaces.dicom.dataset.encoding import encode

C_GET_RSP, C_MOVE_RSP = 0x8010, 0x8021
PENDING, CANCELLED, UNABLE = 0xFF00, 0xFE00, 0xC000
FAILED_LIST = "00080058"

log = structlog.get_logger("dicom")


class Progress(NamedTuple):
    """How far a retrieval is: its status, sub-operations by what came of them (None: there were none to count), the
    SOP Instance UIDs of those that failed, and why, where it is refused or ends early."""

    status: int
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warned: int | None = None
    unsent: tuple[str, ...] = ()
    comment: str = ""


def answer_retrieval(association: Any, request: Any, context: Any) -> None:
    """Answers a request by its handler, which gives the progress after each sub-operation, and in the end."""
    field, event_type = (C_MOVE_RSP, evt.EVT_C_MOVE) if isinstance(request, C_MOVE) else (C_GET_RSP, evt.EVT_C_GET)
    cancelled = association.dimse.cancel_req
    event = {"request": request, "context": context.as_tuple, "_is_cancelled": lambda number: number in cancelled}
    progress = Progress(UNABLE)
    try:
        for progress in evt.trigger(association, event_type, event) or ():
            if not association.is_established or association.acse.is_aborted():
                return
            if progress.status == PENDING:
                association.dul.send_encoded(_response(association, request, context, field, progress))
    except Exception:
        log.exception("a retrieval failed")
        progress = Progress(UNABLE, comment="the retrieval failed; the log says why")
    association.dul.send_encoded(_response(association, request, context, field, progress))


def _response(association: Any, request: Any, context: Any, field: int, progress: Progress) -> bytes:
    """The PDUs of a response; what remains is told while it goes on only, what failed at the end."""
    ended = progress.status not in (PENDING, CANCELLED)
    counts = (
        (0x1020, None if ended else progress.remaining),
        (0x1021, progress.completed),
        (0x1022, progress.failed),
        (0x1023, progress.warned),
    )
    listed = bool(progress.unsent) and progress.status != PENDING
    command = response(
        field,
        *of_request(request),
        progress.status,
        progress.comment,
        data_set=WITH_DATA_SET if listed else NO_DATA_SET,
        counts=[(number, count) for number, count in counts if count is not None],
    )
    most = longest(association)
    made = pdus(context.context_id, command, COMMAND, most)
    if listed:
        model = {FAILED_LIST: {"vr": "UI", "Value": list(progress.unsent)}}
        made += pdus(context.context_id, encode(model, str(context.transfer_syntax[0])), DATA_SET, most)
    return made
