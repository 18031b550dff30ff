"""The attributes of a Unified Procedure Step, by how they may come (PS3.4 table CC.2.5-3)."""

from __future__ import annotations

from interfaces.dicom.dataset.model import Model, items
from interfaces.dicom.dataset.vrs import vr_of
from interfaces.dicom.workitems.states import CANCELED, COMPLETED, SCHEDULED
from interfaces.dicom.workitems.statuses import (
    INVALID_VALUE,
    MISSING_ATTRIBUTE,
    MISSING_VALUE,
    NO_SUCH_ATTRIBUTE,
    NOT_SCHEDULED,
    ONLY_BY_CREATION,
    Refused,
)

SOP_CLASS, SOP_INSTANCE, TRANSACTION = "00080016", "00080018", "00081195"
STATE, READINESS, PRIORITY, STEP_LABEL, WORKLIST_LABEL = "00741000", "00404041", "00741200", "00741204", "00741202"
START, MODIFIED = "00404005", "00404010"
PROGRESS, PERFORMED, REQUESTS = "00741002", "00741216", "0040A370"
CANCELED_AT, DISCONTINUED, REASON = "00404052", "0074100E", "00741238"
COMMUNICATIONS, CONTACT_URI, CONTACT_NAME = "00741008", "0074100A", "0074100C"
STATIONS, PERFORMERS = "00404025", "00404034"

VALUES = {READINESS: ("INCOMPLETE", "UNAVAILABLE", "READY"), PRIORITY: ("HIGH", "MEDIUM", "LOW")}
# type 1 at N-CREATE, beside the state
REQUIRED = {START: "DT", READINESS: "CS", PRIORITY: "CS", STEP_LABEL: "LO"}
# type 2 at N-CREATE: what does not come is there empty
EMPTY = {
    "00741210": "SQ", STATIONS: "SQ", "00404026": "SQ", "00404027": "SQ", "00404018": "SQ", "00400400": "LT",
    "00404021": "SQ", "00100010": "PN", "00100020": "LO", "00100030": "DA", "00100040": "CS", "00380010": "LO",
    "00380014": "SQ", "00081080": "LO", "00081084": "SQ", REQUESTS: "SQ", PROGRESS: "SQ", PERFORMED: "SQ",
}  # fmt: skip
# what an N-SET may not have: who it is about, what asked for it, and what only the service sets
NOT_SET = (
    SOP_CLASS, SOP_INSTANCE, MODIFIED, STATE, "00081080", "00081084", "00100010", "00100020", "00100021", "00100030",
    "00100040", "00101002", "00380010", "00380014", REQUESTS, "00741224",
)  # fmt: skip
# final state: what must have a value, for a state with its sequences' items; of the performed procedure all items
_ALWAYS = (PRIORITY, START, READINESS)
NEEDED = {
    COMPLETED: (*_ALWAYS, (PERFORMED, ("00404028", "00404050", "00404019", "00404051"))),
    CANCELED: (*_ALWAYS, (PROGRESS, (CANCELED_AT, DISCONTINUED))),
}
OUTPUT = "00404033"  # must be there of a completed step, and is empty where it has made nothing


def has(model: Model, tag: str) -> bool:
    """Whether an attribute has a value."""
    return any(value not in (None, "", {}) for value in model.get(tag, {}).get("Value", ()))


def check_created(model: Model, sop_class: str, uid: str) -> None:
    """Refused where a data set can't be a new step of that SOP Instance UID."""
    for tag in REQUIRED:
        _required(model, tag)
    _required(model, STATE)
    if model[STATE]["Value"] != [SCHEDULED]:
        raise Refused(NOT_SCHEDULED)
    _valid(model)
    if has(model, TRANSACTION):
        raise Refused(INVALID_VALUE, "Transaction UID must be empty at creation")
    for tag, named in ((SOP_CLASS, sop_class), (SOP_INSTANCE, uid)):
        if has(model, tag) and model[tag]["Value"] != [named]:
            raise Refused(INVALID_VALUE, "SOP Class or Instance UID is not the one announced")


def check_set(model: Model) -> None:
    """Refused where a data set can't update a step."""
    if has(model, STATE) and model[STATE]["Value"] == [SCHEDULED]:
        raise Refused(ONLY_BY_CREATION)
    for tag in NOT_SET:
        if tag in model:
            raise Refused(NO_SUCH_ATTRIBUTE, f"{_name(tag)} may not be set")
    for tag in REQUIRED:
        if tag in model:
            _required(model, tag)
    _valid(model)


def lacking(model: Model, state: str) -> str:
    """The name of an attribute that a step needs for a final state and has not; "" for none."""
    for each in NEEDED[state]:
        if isinstance(each, str):
            if not has(model, each):
                return _name(each)
            continue
        sequence, inner = each
        parts = items(model, sequence)
        if not parts:
            return _name(sequence)
        for tag in inner:
            if not all(has(part, tag) for part in parts):
                return _name(tag)
    if state == COMPLETED and not all(OUTPUT in part for part in items(model, PERFORMED)):
        return _name(OUTPUT)
    return ""


def _required(model: Model, tag: str) -> None:
    if tag not in model:
        raise Refused(MISSING_ATTRIBUTE, f"{_name(tag)} is missing")
    if not has(model, tag):
        raise Refused(MISSING_VALUE, f"{_name(tag)} is empty")


def _valid(model: Model) -> None:
    _sequences(model)
    for tag, values in VALUES.items():
        if has(model, tag) and model[tag]["Value"][0] not in values:
            raise Refused(INVALID_VALUE, f"{_name(tag)}: {', '.join(values)}")


def _sequences(model: Model) -> None:
    """Refused where a sequence is none, or something else is one, at any depth."""
    for tag, value in model.items():
        known = vr_of(int(tag, 16))
        if known != "UN" and (known == "SQ") != (value["vr"] == "SQ"):
            raise Refused(INVALID_VALUE, f"{_name(tag)} has the VR {value['vr']}")
        for item in items(model, tag) if value["vr"] == "SQ" else ():
            _sequences(item)


def _name(tag: str) -> str:
    from pydicom.datadict import dictionary_description

    return dictionary_description(int(tag, 16))
