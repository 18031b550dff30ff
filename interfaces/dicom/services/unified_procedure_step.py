"""Unified Procedure Steps (PS3.4 annex CC): push, pull and watch; events go out by associations of this archive."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pynetdicom import evt

from fhir_server.core.errors import FhirError
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Rows
from interfaces.dicom.archive.matching import wrong
from interfaces.dicom.dataset.model import Model, text
from interfaces.dicom.dataset.walk import Malformed
from interfaces.dicom.disclosing import READ, disclose, disclosed
from interfaces.dicom.services.identifiers import answer, data_set_of, keys_of, model_of
from interfaces.dicom.services.service import NOT_AUTHORIZED, Context, Service, allowed, calling, log, peer_of, status
from interfaces.dicom.workitems import statuses, steps
from interfaces.dicom.workitems.attributes import SOP_CLASS, SOP_INSTANCE, TRANSACTION
from interfaces.dicom.workitems.finding import find as find_in
from interfaces.dicom.workitems.finding import patients_of
from interfaces.dicom.workitems.statuses import Refused
from interfaces.dicom.workitems.steps import Who
from interfaces.dicom.workitems.subscriptions import EVERYTHING, subscribe, suspend, unsubscribe

PENDING, CANCELLED, CANNOT_UNDERSTAND, OUT_OF_RESOURCES = 0xFF00, 0xFE00, 0xC000, 0x0213
WRONG_IDENTIFIER = 0xA900
RECEIVING_AE, DELETION_LOCK = "00741234", "00741230"
SOP_CLASSES = {
    "Unified Procedure Step - Push SOP Class": steps.PUSH,
    "Unified Procedure Step - Watch SOP Class": "1.2.840.10008.5.1.4.34.6.2",
    "Unified Procedure Step - Pull SOP Class": "1.2.840.10008.5.1.4.34.6.3",
    "Unified Procedure Step - Query SOP Class": "1.2.840.10008.5.1.4.34.6.5",
}
STATUSES = (
    ("0000", "Done, and on the disk; the Task and the events to subscribers follow."),
    ("FF00", "One match of a query."),
    ("FE00", "The query was cancelled."),
    ("A900", "A date or time of the identifier of a query is none."),
    ("C000", "The identifier of a query is no data set."),
    ("0213", "The index does not answer; nothing was changed."),
    *((f"{code:04X}", f"{meaning[0].upper()}{meaning[1:]}.") for code, meaning in sorted(statuses.MEANINGS.items())),
)
Answer = tuple[Any, Any]
Handler = Callable[[Context, Any], Answer]
Action = Callable[[Context, str, Model, Who], int]


def _guarded(handler: Handler) -> Handler:
    """A handler whose refusals are statuses."""

    def guard(context: Context, event: Any) -> Answer:
        if not allowed(context, event, "workitem"):
            return status(NOT_AUTHORIZED, statuses.MEANINGS[NOT_AUTHORIZED]), None
        try:
            return handler(context, event)
        except Refused as refusal:
            return status(refusal.code, refusal.comment), None
        except Malformed as problem:
            return status(statuses.PROCESSING_FAILURE, str(problem)), None
        except FhirError as problem:
            log.error("a procedure step can't be kept", problem=str(problem))
            return status(OUT_OF_RESOURCES, "the index does not answer"), None

    return guard


@_guarded
def create(context: Context, event: Any) -> Answer:
    """N-CREATE: a step that is scheduled."""
    from pydicom.dataset import Dataset
    from pydicom.uid import generate_uid

    request = event.request
    uid = str(request.AffectedSOPInstanceUID or "") or str(generate_uid())
    model = _attributes(event, request.AttributeList)
    code = steps.create(context.archive, uid, model, _who(event))
    made = Dataset()
    if not request.AffectedSOPInstanceUID:
        made.AffectedSOPInstanceUID = uid
    return code, made


@_guarded
def update(context: Context, event: Any) -> Answer:
    """N-SET: what is planned, under way or done."""
    from pydicom.dataset import Dataset

    model = _attributes(event, event.request.ModificationList)
    return steps.update(context.archive, _uid(event), model, _who(event)), Dataset()


@_guarded
def get(context: Context, event: Any) -> Answer:
    """N-GET: the attributes that are asked for, or all; never the Transaction UID."""
    uid = _uid(event)
    model = steps.get(context.archive.reading, uid)
    disclose(context, peer_of(event), READ, f"N-GET/workitems/{uid}", patients_of(context.archive.reading, [uid]))
    wanted = {f"{int(tag):08X}" for tag in event.attribute_identifiers or ()}
    hidden = {TRANSACTION} if wanted else {TRANSACTION, SOP_CLASS, SOP_INSTANCE}
    shown = {tag: model[tag] for tag in model if tag not in hidden and (not wanted or tag in wanted)}
    return statuses.SUCCESS, data_set_of(shown)


@_guarded
def act(context: Context, event: Any) -> Answer:
    """N-ACTION: by its action type."""
    action = ACTIONS.get(event.request.ActionTypeID)
    if action is None:
        raise Refused(statuses.NO_SUCH_ACTION)
    information = event.request.ActionInformation
    model = model_of(event, information, "") if information is not None else {}
    code = action(context, _uid(event), model, _who(event))
    return (status(code, statuses.MEANINGS[code]) if code else code), None


def _of_a_step(work: Callable[[Archive, str, Model, Who], int]) -> Action:
    def act(context: Context, uid: str, information: Model, by: Who) -> int:
        if uid in EVERYTHING:
            raise Refused(statuses.WRONG_INSTANCE)
        return work(context.archive, uid, information, by)

    return act


def _of_a_subscription(end: Callable[[Rows, str, str], int]) -> Action:
    def act(context: Context, uid: str, information: Model, by: Who) -> int:
        receiver = _receiver(information)
        context.archive.write(lambda index: end(index, uid, receiver))
        return statuses.SUCCESS

    return act


def _subscribe(context: Context, uid: str, information: Model, by: Who) -> int:
    receiver = _receiver(information)
    lock = text(information, DELETION_LOCK)
    if lock not in ("TRUE", "FALSE", ""):
        raise Refused(statuses.INVALID_ARGUMENT, "Deletion Lock must be TRUE or FALSE")
    if context.configuration.peers().named(receiver) is None:
        raise Refused(statuses.UNKNOWN_RECEIVER)
    keys = {tag: key for tag, key in information.items() if tag not in (RECEIVING_AE, DELETION_LOCK)}
    archive = context.archive
    moment = archive.clock()
    archive.write(lambda index: subscribe(index, uid, receiver, lock == "TRUE", keys, moment))
    return statuses.SUCCESS


# action type -> what does it (tables CC.2.1-1, CC.2.2-1 and CC.2.3-1)
ACTIONS: dict[int, Action] = {
    1: _of_a_step(steps.change_state),
    2: _of_a_step(steps.request_cancel),
    3: _subscribe,
    4: _of_a_subscription(unsubscribe),
    5: _of_a_subscription(suspend),
}


def find(context: Context, event: Any) -> Iterator[Answer]:
    """C-FIND: the steps that match."""
    if not allowed(context, event, "workitem"):
        yield status(NOT_AUTHORIZED, statuses.MEANINGS[NOT_AUTHORIZED]), None
        return
    try:
        keys = keys_of(event)
    except Malformed as problem:
        yield status(CANNOT_UNDERSTAND, str(problem)), None
        return
    keys.pop(TRANSACTION, None)
    problem = wrong(keys)
    if problem:
        yield status(WRONG_IDENTIFIER, problem), None
        return
    matching = find_in(context.archive.reading, keys)
    for found in disclosed(
        context, peer_of(event), "C-FIND/workitems", matching, lambda each: [each.row["fhir_patient"]]
    ):
        if event.is_cancelled:
            yield CANCELLED, None
            return
        yield PENDING, answer(found.model, keys)


def _attributes(event: Any, encoded: Any) -> Model:
    def too_large(path: str) -> str:
        raise Malformed(f"{path} is a binary value over 1 KiB, which is not kept")

    return model_of(event, encoded, "no attributes", too_large)


def _uid(event: Any) -> str:
    return str(event.request.RequestedSOPInstanceUID)


def _who(event: Any) -> Who:
    return Who(calling(event))


def _receiver(information: Model) -> str:
    receiver = text(information, RECEIVING_AE).strip()
    if not receiver:
        raise Refused(statuses.INVALID_ARGUMENT, "Receiving AE is missing")
    return receiver


UNIFIED_PROCEDURE_STEP = Service(
    "Unified Procedure Step",
    SOP_CLASSES,
    (
        (evt.EVT_N_CREATE, create),
        (evt.EVT_N_SET, update),
        (evt.EVT_N_GET, get),
        (evt.EVT_N_ACTION, act),
        (evt.EVT_C_FIND, find),
    ),
    "workitem",
    STATUSES,
)
