"""C-FIND answered from models: command sets and identifiers are written here, several matches in one go.

pynetdicom makes data sets of both by pydicom and hands each to another thread, which costs a match a millisecond.
What a query is and what matches stays its handler's (PS3.7 section 9.1.2, PS3.4 annex C.4.1).
"""

from __future__ import annotations

import time
from typing import Any

import structlog
from pynetdicom import evt

from interfaces.dicom.association.pdus import COMMAND, DATA_SET, longest, pdus
from interfaces.dicom.association.responses import WITH_DATA_SET, of_request, response
from interfaces.dicom.dataset.encoding import encode

C_FIND_RSP = 0x8020
SUCCESS, UNABLE = 0x0000, 0xC311
PENDING = (0xFF00, 0xFF01)
TOGETHER = 16 * 1024  # bytes of answers that are sent in one go
AT_LEAST_EVERY = 0.02  # seconds after which what was found is sent

log = structlog.get_logger("dicom")


def answer_find(association: Any, request: Any, context: Any) -> None:
    """Answers a C-FIND request by its handler, which gives (status, model or None) for each answer."""
    asked = of_request(request)
    cancelled = association.dimse.cancel_req
    event = {"request": request, "context": context.as_tuple, "_is_cancelled": lambda number: number in cancelled}
    syntax = str(context.transfer_syntax[0])
    most = longest(association)
    waiting, since = bytearray(), time.monotonic()
    status, comment = SUCCESS, ""
    try:
        for given, model in evt.trigger(association, evt.EVT_C_FIND, event) or ():
            if not association.is_established or association.acse.is_aborted():
                return
            if given not in PENDING:
                status, comment = (given, "") if isinstance(given, int) else (given.Status, _comment(given))
                break
            command = response(C_FIND_RSP, *asked, given, data_set=WITH_DATA_SET)
            waiting += pdus(context.context_id, command, COMMAND, most)
            waiting += pdus(context.context_id, encode(model, syntax), DATA_SET, most)
            if len(waiting) >= TOGETHER or time.monotonic() - since > AT_LEAST_EVERY:
                association.dul.send_encoded(bytes(waiting))
                waiting, since = bytearray(), time.monotonic()
    except Exception:
        log.exception("a query failed")
        status, comment = UNABLE, "the query failed; the log says why"
    waiting += pdus(context.context_id, response(C_FIND_RSP, *asked, status, comment), COMMAND, most)
    association.dul.send_encoded(bytes(waiting))


def _comment(status: Any) -> str:
    return str(status.get("ErrorComment", ""))
