"""Storage Commitment, push model (PS3.4 annex J): the report follows over an association of its own."""

from __future__ import annotations

import json
from typing import Any

from pynetdicom import evt

from interfaces.dicom.archive.index import Rows
from interfaces.dicom.archive.placing import enqueue
from interfaces.dicom.archive.record import is_uid
from interfaces.dicom.dataset.model import items, text
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.services.identifiers import model_of
from interfaces.dicom.services.service import NOT_AUTHORIZED, Context, Service, allowed, calling, status

SOP_CLASS = "1.2.840.10008.1.20.1"
SOP_CLASSES = {"Storage Commitment Push Model SOP Class": SOP_CLASS}
STATUSES = (
    ("0000", "The request is kept; the report follows as N-EVENT-REPORT to the peer of that AE title."),
    (
        "0110",
        "The request is no data set, names no transaction or no instance, or the UID of a transaction of other "
        "instances that is not reported yet.",
    ),
    ("0112", "The request is to another SOP Instance than 1.2.840.10008.1.20.1.1."),
    ("0123", "The action type is another than 1."),
    (
        "0124",
        "The peer may not ask for commitment, or is not in the peers file: no report would reach it.",
    ),
    ("0213", "There is no room to keep the request."),
)
PROCESSING_FAILURE, NO_SUCH_INSTANCE, NO_SUCH_ACTION = 0x0110, 0x0112, 0x0123
INSTANCE = "1.2.840.10008.1.20.1.1"  # the well-known SOP instance
REQUEST = 1  # the action type


def request(context: Context, event: Any) -> tuple[Any, Any]:
    """N-ACTION: what is to be committed."""
    sender, asked = calling(event), event.request
    if str(asked.RequestedSOPInstanceUID) != INSTANCE:
        return status(NO_SUCH_INSTANCE, f"the instance is always {INSTANCE}"), None
    if asked.ActionTypeID != REQUEST:
        return status(NO_SUCH_ACTION, "the action type is 1"), None
    if not allowed(context, event, "commitment") or context.configuration.peers().named(sender) is None:
        return status(NOT_AUTHORIZED, "only peers get a report"), None
    try:
        model = model_of(event, event.request.ActionInformation, "no action information")
    except Malformed as problem:
        return status(PROCESSING_FAILURE, str(problem)), None
    transaction = text(model, "00081195")
    wanted = [(text(item, "00081150"), text(item, "00081155")) for item in items(model, "00081199")]
    if not is_uid(transaction) or not wanted:
        return status(PROCESSING_FAILURE, "no transaction UID or no instance"), None
    if not _keep(context, f"{sender} {transaction}", json.dumps({"instances": wanted})):
        return status(PROCESSING_FAILURE, "the transaction of this UID is not reported yet"), None
    return 0x0000, None


def _keep(context: Context, key: str, payload: str) -> bool:
    """Whether it is kept: not while one of other instances waits under the same transaction UID."""
    moment = context.archive.clock()

    def work(index: Rows) -> bool:
        waiting = index.one("job", {"kind": "commitment", "key": key})
        if waiting is not None and waiting["payload"] != payload:
            return False
        enqueue(index, "commitment", key, moment, payload)
        return True

    return context.archive.write(work)


COMMITMENT = Service("Storage Commitment", SOP_CLASSES, ((evt.EVT_N_ACTION, request),), "commitment", STATUSES)
