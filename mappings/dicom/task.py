"""A Unified Procedure Step (PS3.3 section C.30) as a Task."""

from __future__ import annotations

from typing import Any

from mappings.dicom import conversions as to
from mappings.dicom.conversions import URN_DCM_UID, oid
from mappings.dicom.engine import Model, Row, apply

STATION_AE = "urn:dicom:ae-title"
STATUSES = {"SCHEDULED": "requested", "IN PROGRESS": "in-progress", "COMPLETED": "completed", "CANCELED": "cancelled"}
PRIORITIES = {"HIGH": "urgent", "MEDIUM": "routine", "LOW": "routine"}
PROGRESS, PERFORMED, PERFORMERS, STATIONS = "00741002", "00741216", "00404034", "00404025"


def priority(values: list[Any], model: Model) -> str | None:
    """A Scheduled Procedure Step Priority as a request priority."""
    return PRIORITIES.get(str(values[0]))


def instances(values: list[Any], model: Model) -> list[dict[str, Any]]:
    """Items of the Referenced Instances and Access macro as parameters: each study once."""
    uids = dict.fromkeys(
        to.text(study["Value"], {}) for each in values if (study := each.get("0020000D", {})).get("Value")
    )
    return [
        {
            "type": {"text": "DICOM instances"},
            "valueReference": {"type": "ImagingStudy", "identifier": {"system": URN_DCM_UID, "value": oid(uid)}},
        }
        for uid in uids
    ]


def outputs(values: list[Any], model: Model) -> list[dict[str, Any]]:
    """What the items of the performed procedure made, as parameters."""
    return instances([item for each in values for item in each.get("00404033", {}).get("Value", ()) if item], model)


def performed(values: list[Any], model: Model) -> dict[str, str]:
    """From the first beginning to the last end of the performed procedure."""
    return _period(model, [each.get("00404050") for each in values], [each.get("00404051") for each in values])


def planned(values: list[Any], model: Model) -> dict[str, str]:
    """From the scheduled start to the expected completion."""
    return _period(model, [model.get("00404005")], [model.get("00404011")])


def progress(values: list[Any], model: Model) -> str:
    """How far it is, in words."""
    percent = next(iter(values[0].get("00741004", {}).get("Value") or ()), None)
    said = to.text(values[0].get("00741006", {}).get("Value") or [""], {})
    return ": ".join(part for part in (f"{percent:g} %" if isinstance(percent, int | float) else "", said) if part)


def reasons(values: list[Any], model: Model) -> dict[str, Any]:
    """Why it was cancelled."""
    return apply(REASONS, values[0], {})


REASONS = (Row("coding[]", "0074100E", to.codings), Row("text", "00741238", to.text))
TASK = (
    Row("code.coding[]", "00404018", to.codings),
    Row("code.text", "00741204", to.text),
    Row("description", "00741204", to.text),
    Row("priority", "00741200", priority),
    Row("businessStatus.text", "00404041", to.text),
    Row("businessStatus.text", PROGRESS, progress),
    Row("statusReason", PROGRESS, reasons),
    Row("performerType[]", "00404026", to.concepts),
    Row("restriction.period", "00404005", planned),
    Row("executionPeriod", PERFORMED, performed),
    Row("note[]", "00400400", lambda values, model: [{"text": to.text(values, model)}]),
    Row("input[]", "00404021", instances),
    Row("output[]", PERFORMED, outputs),
    Row("lastModified", "00404010", to.date_time),
)
# what is the step's in its Task; whatever else is in it stays as others wrote it
OWNED = frozenset(
    ["status", "intent", "basedOn", "for", "requester", "owner", "authoredOn"]
    + [row.element.split(".")[0].removesuffix("[]") for row in TASK if row.element != "note[]"]
)


def task(
    uid: str, step: Model, *, subject: str, based_on: list[str], requester: str, performer: str, created: str
) -> dict[str, Any]:
    """The Task of a step; subject and based_on are references, requester and performer AE titles, "" for none."""
    made: dict[str, Any] = {
        "resourceType": "Task",
        "identifier": [{"system": URN_DCM_UID, "value": oid(uid)}],
        "status": _status(step),
        "intent": "order",
        "authoredOn": created,
    }
    if based_on:
        made["basedOn"] = [{"reference": reference} for reference in based_on]
    if subject:
        made["for"] = {"reference": subject}
    if requester:
        made["requester"] = entity(requester)
    owner = entity(performer) if performer else _human(step)
    if owner:
        made["owner"] = owner
    apply(TASK, step, made)
    if made["status"] != "cancelled":
        made.pop("statusReason", None)
    return made


def updated(current: dict[str, Any], made: dict[str, Any]) -> dict[str, Any]:
    """A Task that is there already, with what its step says now."""
    mine = made["identifier"]
    others = [each for each in current.get("identifier", ()) if each not in mine]
    kept = {name: value for name, value in current.items() if name not in OWNED}
    return {**made, **kept, "identifier": [*mine, *others]}


def is_procedure_step(resource: dict[str, Any]) -> bool:
    """Whether a resource is the Task of a Unified Procedure Step: it has a UID, which one that schedules has not."""
    return resource["resourceType"] == "Task" and bool(step_uid(resource))


def step_uid(task: dict[str, Any]) -> str:
    """The SOP Instance UID of the step of a Task; "" for none."""
    for identifier in task.get("identifier", ()):
        if identifier.get("system") == URN_DCM_UID:
            return identifier.get("value", "").removeprefix("urn:oid:")
    return ""


def entity(title: str) -> dict[str, Any]:
    """An application entity as a reference."""
    return {"identifier": {"system": STATION_AE, "value": title}, "display": title}


def _status(step: Model) -> str:
    state = to.text(step["00741000"]["Value"], {})
    assigned = any(step.get(tag, {}).get("Value") for tag in (PERFORMERS, STATIONS))
    return "accepted" if state == "SCHEDULED" and assigned else STATUSES[state]


def _human(step: Model) -> dict[str, str] | None:
    for each in step.get(PERFORMERS, {}).get("Value", ()):
        name = (each or {}).get("00404037", {}).get("Value")
        if name:
            return to.display(name, step)
    return None


def _period(model: Model, starts: list[Any], ends: list[Any]) -> dict[str, str]:
    """The first start and the last end; no end before the start."""
    begun, ended = _moments(model, starts), _moments(model, ends)
    made = {"start": min(begun)} if begun else {}
    if ended and max(ended) >= made.get("start", ""):
        made["end"] = max(ended)
    return made


def _moments(model: Model, elements: list[Any]) -> list[str]:
    values = [element["Value"] for element in elements if element and element.get("Value")]
    return [moment for moment in (to.date_time(each, model) for each in values) if moment]
