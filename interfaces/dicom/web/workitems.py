"""UPS-RS: Unified Procedure Steps as resources (PS3.18 section 11)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from fhir_server.core.errors import error
from interfaces.dicom.archive.record import is_uid
from interfaces.dicom.dataset.model import Model, in_order, text
from interfaces.dicom.web.accept import chosen
from interfaces.dicom.web.exchange import DICOM_JSON, WebAnswer, WebRequest, json_answer, not_found
from interfaces.dicom.web.multipart import related
from interfaces.dicom.web.native import native
from interfaces.dicom.web.qido import DICOM_XML, MORE, MOST, keys_of_query, number
from interfaces.dicom.workitems import statuses, steps
from interfaces.dicom.workitems.attributes import SOP_INSTANCE, TRANSACTION
from interfaces.dicom.workitems.finding import find
from interfaces.dicom.workitems.statuses import Refused
from interfaces.dicom.workitems.steps import Who

T = TypeVar("T")
# what a refusal is to HTTP (tables 11.4.3-1 to 11.12.3-1); 400 where it is none of these
CATEGORIES = {
    statuses.NO_SUCH_STEP: "not-found",
    statuses.DUPLICATE: "conflict",
    statuses.NO_LONGER_UPDATED: "conflict",
    statuses.ALREADY_IN_PROGRESS: "conflict",
    statuses.FINAL_STATE_NOT_MET: "conflict",
    statuses.NOT_IN_PROGRESS: "conflict",
    statuses.COMPLETED_BEFORE: "conflict",
    statuses.NOBODY_TO_CONTACT: "conflict",
}
UID_NAMES = ("workitem", "affectedsopinstanceuid")
TRANSACTION_NAMES = ("transaction", "transactionuid", "transaction-uid", "00081195")


def create(request: WebRequest, body: Model) -> WebAnswer:
    """Creates a step; its UID is a parameter, in the data set, or a new one."""
    from pydicom.uid import generate_uid

    if request.visible or request.writing is not None:
        raise error("forbidden", "Creating steps needs a token that may see and create every Task.")
    uid = _uid_parameter(request, UID_NAMES) or text(body, SOP_INSTANCE) or str(generate_uid())
    answered(request, lambda: steps.create(request.archive, uid, body, who(request)))
    url = f"{request.base}/workitems/{uid}"
    return WebAnswer(201, [("location", url), ("content-location", url)])


def retrieve(request: WebRequest, body: Model) -> WebAnswer:
    """The attributes of a step, never its Transaction UID."""
    uid = target(request)
    return _given(request, [answered(request, lambda: steps.get(request.archive.reading, uid))])


def search(request: WebRequest, body: Model) -> WebAnswer:
    """The steps that match; 204 for none."""
    keys, _, _ = keys_of_query(request)
    limit, offset = min(number(request, "limit", MOST), MOST), number(request, "offset", 0)
    seen = request.visible
    found = (each for each in find(request.archive.reading, keys) if not seen or seen(each.row["fhir_task"]))
    page = list(islice(found, offset, offset + limit + 1))
    headers = [warning(request, MORE)] if len(page) > limit else []
    request.about.update(each.row["fhir_patient"] for each in page[:limit])
    if request.parameter("fuzzymatching").lower() == "true":
        headers.append(warning(request, "The fuzzymatching parameter is not supported. Literal matching was done."))
    shown = [each.model for each in page[:limit]]
    return _given(request, shown, *headers) if shown else WebAnswer(204, headers)


def update(request: WebRequest, body: Model) -> WebAnswer:
    """Sets attributes; of a step that is under way with its Transaction UID as a parameter."""
    uid = target(request)
    transaction = _uid_parameter(request, TRANSACTION_NAMES)
    given = {**body, TRANSACTION: {"vr": "UI", "Value": [transaction]}} if transaction else body
    answered(request, lambda: steps.update(request.archive, uid, given, who(request)), conflicts=False)
    return WebAnswer(200, [("content-location", f"{request.base}/workitems/{uid}")])


def change_state(request: WebRequest, body: Model) -> WebAnswer:
    """Moves a step to the state that the body names, with its Transaction UID."""
    uid = target(request)
    code = answered(request, lambda: steps.change_state(request.archive, uid, body, who(request)))
    return WebAnswer(200, [warning(request, statuses.MEANINGS[code])] if code else [])


def request_cancel(request: WebRequest, body: Model) -> WebAnswer:
    """Cancels a step that nobody has begun, and has the performer of another asked to."""
    uid = target(request)
    code = answered(request, lambda: steps.request_cancel(request.archive, uid, body, who(request)))
    return WebAnswer(202, [warning(request, statuses.MEANINGS[code])] if code else [])


def target(request: WebRequest) -> str:
    """The UID in the path; FhirError "not-found" for a step that the caller may not see, "forbidden" for one that the
    caller may not change and asks to."""
    uid = request.path[1]
    row = request.archive.reading.one("workitem", {"uid": uid})
    if request.visible and (row is None or not request.visible(row["fhir_task"])):
        raise not_found(f"workitem {uid[:64]}")
    if request.writing is not None and (row is None or not request.writing.changes(row["fhir_task"])):
        raise error("forbidden", "You may see this step, and not change it: scopes, policies or Consents keep it.")
    if row is not None:
        request.about.add(row["fhir_patient"])
    return uid


def who(request: WebRequest) -> Who:
    """Who asks: the application entity of the parameter requester, else the caller's name."""
    return Who(request.parameter("requester")[:16], request.who)


def answered(request: WebRequest, work: Callable[[], T], *, conflicts: bool = True) -> T:
    """What work gives; a refusal as an error, of status 409 where the state is in the way, 400 without conflicts."""
    try:
        return work()
    except Refused as refusal:
        category = CATEGORIES.get(refusal.code, "value")
        category = category if conflicts or category != "conflict" else "value"
        headers = dict([warning(request, refusal.comment)])
        raise error(category, f"{refusal.comment} ({refusal.code:04X}).", headers=headers) from refusal


def warning(request: WebRequest, said: str) -> tuple[str, str]:
    """A header of the kind that the standard has for what is no success, or not all of it."""
    return "warning", f"299 {request.base}: {said.rstrip('.')}."


def _uid_parameter(request: WebRequest, names: tuple[str, ...]) -> str:
    """The UID of a parameter of one of these names, or a UID that is the query itself; "" for none."""
    for name, value in request.query:
        if name.lower() in names:
            return value
        if is_uid(name) and not value and "." in name:
            return name
    return ""


def _given(request: WebRequest, models: list[Model], *headers: tuple[str, str]) -> WebAnswer:
    type, _ = chosen(request.accept(), (DICOM_JSON, "application/json", DICOM_XML))
    if type == DICOM_XML:
        made = related(DICOM_XML, (([("Content-Type", DICOM_XML)], native(model)) for model in models))
        return made._replace(headers=[*made.headers, *headers])
    return json_answer([in_order(model) for model in models], 200, *headers, type=type)
