"""Modality Performed Procedure Step (PS3.4 annex F): N-CREATE and N-SET, kept before they are answered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pynetdicom import evt

from interfaces.dicom.archive.index import Rows
from interfaces.dicom.archive.placing import enqueue
from interfaces.dicom.archive.record import is_uid
from interfaces.dicom.dataset.model import Model, items, text
from interfaces.dicom.dataset.vrs import keyword_of
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.services.identifiers import model_of
from interfaces.dicom.services.service import NOT_AUTHORIZED, Context, Service, allowed, calling, status

DUPLICATE, NO_SUCH, INVALID_VALUE, PROCESSING_FAILURE, INVALID_INSTANCE = 0x0111, 0x0112, 0x0106, 0x0110, 0x0117
ATTRIBUTES_LEFT_OUT, MISSING_ATTRIBUTE, MISSING_VALUE = 0x0107, 0x0120, 0x0121
NO_LONGER_UPDATED = 0xA710  # an Error ID (PS3.4 section F.7.2.2.3)
# type 1 at N-CREATE (PS3.4 table F.7.2-1): scheduled step, id, station, start, modality
NEEDED = ("00400270", "00400253", "00400241", "00400244", "00400245", "00080060")
# type 1 in the final state (the same table), and of each item of the series; a step that is discontinued before there
# is any series has none, as modalities have it
ENDED, SERIES, EACH_SERIES = ("00400250", "00400251"), "00400340", ("0020000E", "00181030")
# whose step it is stays as N-CREATE said it: patient, referenced patient, scheduled steps, id, start, station, modality
# (PS3.4 table F.7.2-1, "not allowed" at N-SET)
_FIXED = """00100010 00100020 00100021 00100024 00100030 00100040 00081120 00400270 00400253 00400241 00400242 00400243
    00400244 00400245 00080060 00200010"""
FIXED = frozenset(_FIXED.split())
STATUS = "00400252"
IN_PROGRESS = "IN PROGRESS"
COMPLETED = "COMPLETED"
FINAL = (COMPLETED, "DISCONTINUED")
SOP_CLASSES = {"Modality Performed Procedure Step SOP Class": "1.2.840.10008.3.1.2.3.3"}
STATUSES = (
    ("0000", "The step is kept; Procedure, Task and Appointment follow."),
    ("0107", "The step is kept; what N-SET may not change of patient, order, station or start is left as it was."),
    ("0117", "The SOP Instance UID is no UID."),
    ("0106", "The status can't be that: IN PROGRESS at N-CREATE; COMPLETED or DISCONTINUED at N-SET."),
    (
        "0110",
        "The step may no longer be updated, as it is completed or discontinued (Error ID A710); or it is no data set.",
    ),
    ("0111", "The step was created before."),
    ("0112", "There is no such step."),
    (
        "0120",
        "N-CREATE lacks the scheduled step, the id, station, start or modality; or a step that N-SET ends lacks its "
        "end date or time, a series' UID or protocol name, or, where it is COMPLETED, any series.",
    ),
    ("0121", "One of these is empty."),
    ("0124", "The peer may not tell of procedure steps (its entry in the peers file)."),
    ("0213", "There is no room to keep the step."),
)


def create(context: Context, event: Any) -> tuple[Any, Any]:
    """N-CREATE: a step that has begun."""
    if not allowed(context, event, "procedure-step"):
        return status(NOT_AUTHORIZED), None
    request = event.request
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid

    uid = str(request.AffectedSOPInstanceUID or "") or str(generate_uid())
    if not is_uid(uid):
        return status(INVALID_INSTANCE, "the SOP Instance UID is no UID"), None
    try:
        model = model_of(event, request.AttributeList, "no attributes")
    except Malformed as problem:
        return status(PROCESSING_FAILURE, str(problem)), None
    if text(model, STATUS) != IN_PROGRESS:
        return status(INVALID_VALUE, "Performed Procedure Step Status must be IN PROGRESS"), None
    if (missing := _missing(model, NEEDED)) is not None:
        return missing, None
    made = Dataset()
    if not request.AffectedSOPInstanceUID:
        made.AffectedSOPInstanceUID = uid
    sender, moment = calling(event), context.archive.clock()
    kept = context.archive.write(lambda index: _create(index, uid, model, sender, moment))
    return (0x0000, made) if kept else (status(DUPLICATE), None)


def update(context: Context, event: Any) -> tuple[Any, Any]:
    """N-SET: what was done, and in the end that it is over."""
    if not allowed(context, event, "procedure-step"):
        return status(NOT_AUTHORIZED), None
    uid = str(event.request.RequestedSOPInstanceUID)
    try:
        model = model_of(event, event.request.ModificationList, "no attributes")
    except Malformed as problem:
        return status(PROCESSING_FAILURE, str(problem)), None
    sender, moment = calling(event), context.archive.clock()
    refused = context.archive.write(lambda index: _set(index, uid, model, sender, moment))
    if refused is not None:
        return refused, None
    from pydicom.dataset import Dataset

    return 0x0000, Dataset()


def _set(index: Rows, uid: str, model: Model, sender: str, moment: int) -> Any:
    """Keeps what N-SET says of a step; the status where it is refused or left out in part, None where all is kept."""
    row = index.one("procedure_step", {"uid": uid})
    if row is None:
        return status(NO_SUCH)
    if row["status"] in FINAL:
        ended = status(PROCESSING_FAILURE, "Performed Procedure Step Object may no longer be updated")
        ended.ErrorID = NO_LONGER_UPDATED
        return ended
    if text(model, STATUS) not in ("", IN_PROGRESS, *FINAL):
        return status(INVALID_VALUE, "Performed Procedure Step Status")
    before = json.loads(row["attributes"])
    after = {**before, **{tag: value for tag, value in model.items() if tag not in FIXED}}
    if text(after, STATUS) in FINAL and (missing := _missing_at_end(after)) is not None:
        return missing
    _put(index, uid, after, sender, moment)
    left_out = [tag for tag in model if tag in FIXED and model[tag] != before.get(tag)]
    return status(ATTRIBUTES_LEFT_OUT, f"not changed: {', '.join(left_out)}") if left_out else None


def _missing(model: Model, needed: Iterable[str]) -> Any:
    """The status for the first of these that has no value; None where all have one."""
    lacking = next((tag for tag in needed if not model.get(tag, {}).get("Value")), None)
    if lacking is None:
        return None
    code = MISSING_VALUE if lacking in model else MISSING_ATTRIBUTE
    return status(code, f"{keyword_of(int(lacking, 16))} is needed")


def _missing_at_end(model: Model) -> Any:
    """The status for what a step lacks that its final state needs; None for nothing."""
    missing = _missing(model, (*ENDED, SERIES) if text(model, STATUS) == COMPLETED else ENDED)
    of_series = (_missing(item, EACH_SERIES) for item in items(model, SERIES))
    return missing if missing is not None else next((each for each in of_series if each is not None), None)


def _create(index: Rows, uid: str, model: Model, sender: str, moment: int) -> bool:
    """Keeps a step, False where there is one."""
    if index.one("procedure_step", {"uid": uid}) is not None:
        return False
    _put(index, uid, model, sender, moment)
    return True


def _put(index: Rows, uid: str, model: Model, sender: str, moment: int) -> None:
    values = {"status": text(model, STATUS), "attributes": json.dumps(model), "sender": sender, "changed": moment}
    index.put("procedure_step", {"uid": uid}, values)
    enqueue(index, "procedure-step", uid, moment)


PROCEDURE_STEP = Service(
    "Modality Performed Procedure Step",
    SOP_CLASSES,
    ((evt.EVT_N_CREATE, create), (evt.EVT_N_SET, update)),
    "procedure-step",
    STATUSES,
)
