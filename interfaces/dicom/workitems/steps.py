"""Unified Procedure Steps as they are kept: made, updated, moved from state to state, each in one transaction.

Whatever changes one also has its subscribers told and its Task written, by jobs of the same transaction. A step is a
row, so that a lock by Transaction UID holds over all processes that share the index.
"""

from __future__ import annotations

import datetime
import json
from typing import NamedTuple

from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Row, Rows
from interfaces.dicom.archive.placing import enqueue
from interfaces.dicom.archive.record import dumped, is_uid
from interfaces.dicom.dataset.model import Model, items, text
from interfaces.dicom.workitems import states
from interfaces.dicom.workitems.attributes import (
    CANCELED_AT,
    COMMUNICATIONS,
    CONTACT_NAME,
    CONTACT_URI,
    DISCONTINUED,
    EMPTY,
    MODIFIED,
    PROGRESS,
    REASON,
    SOP_CLASS,
    SOP_INSTANCE,
    STATE,
    TRANSACTION,
    WORKLIST_LABEL,
    check_created,
    check_set,
    has,
    lacking,
)
from interfaces.dicom.workitems.events import cancel_requested, changes, state_report, tell
from interfaces.dicom.workitems.finding import attributes_of
from interfaces.dicom.workitems.states import CANCELED, FINAL, IN_PROGRESS, STATES
from interfaces.dicom.workitems.statuses import (
    DUPLICATE,
    FINAL_STATE_NOT_MET,
    INVALID_ARGUMENT,
    INVALID_INSTANCE,
    NO_SUCH_STEP,
    NOBODY_TO_CONTACT,
    SUCCESS,
    Refused,
    passed,
)
from interfaces.dicom.workitems.subscriptions import EVERYTHING, subscribe_to_new

PUSH = "1.2.840.10008.5.1.4.34.6.1"  # the SOP class of every step, whichever class a peer has negotiated
JOB = "workitem"  # writes the Task; its key is the step's UID
CHARACTER_SET = "00080005"
NOTHING_YET = {"transaction_uid": "", "performer": "", "coercion": "{}", "fhir_task": "", "fhir_patient": ""}
UNSPECIFIED: Model = {
    "00080100": {"vr": "SH", "Value": ["110513"]},
    "00080102": {"vr": "SH", "Value": ["DCM"]},
    "00080104": {"vr": "LO", "Value": ["Discontinued for unspecified reason"]},
}


class Who(NamedTuple):
    """Who changes a step: an application entity by its title, or by name whom the web or FHIR knows."""

    title: str
    name: str = ""


def create(archive: Archive, uid: str, model: Model, by: Who) -> int:
    """A new step; Refused where it can't be one."""
    if not is_uid(uid):
        raise Refused(INVALID_INSTANCE)
    check_created(model, PUSH, uid)
    moment = archive.clock()
    empty: Model = {tag: {"vr": vr} for tag, vr in EMPTY.items()}
    kept = _stamped({**empty, **model}, moment)
    kept[SOP_CLASS], kept[SOP_INSTANCE] = {"vr": "UI", "Value": [PUSH]}, {"vr": "UI", "Value": [uid]}
    if not has(kept, WORKLIST_LABEL):
        kept[WORKLIST_LABEL] = {"vr": "LO", "Value": [archive.settings.dicom_ae_title]}

    def work(index: Rows) -> int:
        if uid in EVERYTHING or index.one("workitem", {"uid": uid}) is not None:
            raise Refused(DUPLICATE)
        made = {
            "uid": uid,
            "patient_id": text(kept, "00100020"),
            "requester": by.title,
            "created": moment,
            **NOTHING_YET,
        }
        index.insert("workitem", {**made, **_columns(kept, by, moment)})
        subscribe_to_new(index, uid, kept)
        tell(index, uid, changes({}, kept), moment)
        enqueue(index, JOB, uid, moment)
        return SUCCESS

    return archive.write(work)


def update(archive: Archive, uid: str, model: Model, by: Who) -> int:
    """Sets attributes of a step that has not ended; Refused where they, the state or the lock do not allow it."""
    moment = archive.clock()

    def work(index: Rows) -> int:
        row = row_of(index, uid)
        passed(states.update(row["state"], row["transaction_uid"], text(model, TRANSACTION)))
        check_set(model)
        before = json.loads(row["attributes"])
        after = _stamped({**before, **model}, moment)
        _keep(index, row, after, by, moment)
        tell(index, uid, changes(before, after), moment)
        return SUCCESS

    return archive.write(work)


def change_state(archive: Archive, uid: str, information: Model, by: Who) -> int:
    """Moves a step to another state; SUCCESS, or the warning that it is in it already. Refused otherwise."""
    wanted, transaction = text(information, STATE), text(information, TRANSACTION)
    if wanted not in STATES:
        raise Refused(INVALID_ARGUMENT, "Procedure Step State is missing or none of the states")
    moment = archive.clock()

    def work(index: Rows) -> int:
        row = row_of(index, uid)
        code = passed(states.change(row["state"], wanted, row["transaction_uid"], transaction))
        if code != SUCCESS:
            return code
        model = json.loads(row["attributes"])
        lack = lacking(model, wanted) if wanted in FINAL else ""
        if lack:
            raise Refused(FINAL_STATE_NOT_MET, f"lacks {lack}")
        after = _in_state(model, wanted, moment)
        claimed = {"transaction_uid": transaction, "performer": by.title} if wanted == IN_PROGRESS else {}
        _keep(index, row, after, by, moment, **claimed)
        tell(index, uid, [state_report(after)], moment)
        return SUCCESS

    return archive.write(work)


def request_cancel(archive: Archive, uid: str, information: Model, by: Who) -> int:
    """Cancels a step that nobody has begun, and has the performer of another asked to (section CC.2.2.3)."""
    moment = archive.clock()

    def work(index: Rows) -> int:
        row = row_of(index, uid)
        code = passed(states.CANCEL_REQUESTS[row["state"]])
        if code != SUCCESS:
            return code
        if row["state"] == IN_PROGRESS:
            if index.one("subscription", {"uid": uid}) is None:
                raise Refused(NOBODY_TO_CONTACT)
            tell(index, uid, [cancel_requested(information, by.title or archive.settings.dicom_ae_title)], moment)
            return SUCCESS
        model = json.loads(row["attributes"])
        begun = _in_state(model, IN_PROGRESS, moment)
        after = _in_state(_discontinued(model, information, moment), CANCELED, moment)
        _keep(index, row, after, by, moment)
        tell(index, uid, [state_report(begun), state_report(after)], moment)
        return SUCCESS

    return archive.write(work)


def get(index: Rows, uid: str) -> Model:
    """The attributes of a step, without its lock; Refused for none."""
    return attributes_of(row_of(index, uid))


def row_of(index: Rows, uid: str) -> Row:
    """The row of a step; Refused for none."""
    row = index.one("workitem", {"uid": uid})
    if row is None:
        raise Refused(NO_SUCH_STEP)
    return row


def date_time(moment: int) -> str:
    """Microseconds since 1970 as a DT in UTC."""
    at = datetime.datetime.fromtimestamp(moment / 1_000_000, datetime.UTC)
    return at.strftime("%Y%m%d%H%M%S+0000")


def _keep(index: Rows, row: Row, model: Model, by: Who, moment: int, **others: str) -> None:
    index.change("workitem", {"pk": row["pk"]}, {**_columns(model, by, moment), **others})
    enqueue(index, JOB, row["uid"], moment)


def _columns(model: Model, by: Who, moment: int) -> dict[str, str | int]:
    return {
        "state": text(model, STATE),
        "label": text(model, WORKLIST_LABEL),
        "attributes": dumped(model),
        "changed": moment,
        "changed_by": by.title,
        "changed_name": by.name,
    }


def _stamped(model: Model, moment: int) -> Model:
    kept = {tag: value for tag, value in model.items() if tag not in (TRANSACTION, CHARACTER_SET)}
    return {**kept, MODIFIED: {"vr": "DT", "Value": [date_time(moment)]}}


def _in_state(model: Model, state: str, moment: int) -> Model:
    return _stamped({**model, STATE: {"vr": "CS", "Value": [state]}}, moment)


def _discontinued(model: Model, information: Model, moment: int) -> Model:
    """A step with the reasons of a request to cancel in its progress, so that it meets its final state."""
    first = next(iter(items(model, PROGRESS)), {})
    given = {tag: information[tag] for tag in (REASON, DISCONTINUED) if has(information, tag)}
    contact = {tag: information[tag] for tag in (CONTACT_URI, CONTACT_NAME) if has(information, tag)}
    part: Model = {
        DISCONTINUED: {"vr": "SQ", "Value": [UNSPECIFIED]},
        **first,
        **given,
        CANCELED_AT: {"vr": "DT", "Value": [date_time(moment)]},
    }
    if contact:
        part[COMMUNICATIONS] = {"vr": "SQ", "Value": [contact]}
    return {**model, PROGRESS: {"vr": "SQ", "Value": [part]}}
