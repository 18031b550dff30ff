"""A ServiceRequest with its Patient, Appointments and Tasks as items of the Modality Worklist (PS3.4 annex K)."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from mappings.dicom.coercion import order_attributes, patient_attributes, person_name
from mappings.dicom.conversions import DCM, SYSTEMS
from mappings.dicom.engine import Model
from mappings.dicom.zones import local

Resource = dict[str, Any]
DESIGNATORS = {system: scheme for scheme, system in reversed(SYSTEMS.items())}
# what every item has, empty where it is not known
OFTEN = {"00100010": "PN", "00100020": "LO", "00100021": "LO", "00100030": "DA", "00100040": "CS", "00080050": "SH"}
STATION_AE = "urn:dicom:ae-title"
PRIORITIES = {"stat": "STAT", "asap": "HIGH", "urgent": "HIGH", "routine": "MEDIUM"}


def item(
    order: Resource, patient: Resource, step: Resource | None, related: dict[str, Resource], zone: str = "UTC"
) -> Model:
    """One item: step is the Appointment or Task that schedules the order, None where only the order does.

    related: other resources by reference: practitioners, locations, devices; zone: of the scheduled date and time.
    """
    made: Model = {**patient_attributes(patient, {}), **order_attributes(order)}
    for tag, vr in OFTEN.items():
        made.setdefault(tag, {"vr": vr})
    scheduled = local(_scheduled(order, step), zone)
    date, time = _moment(scheduled)
    made["0020000D"] = _value("UI", study_uid(order))
    made["00401001"] = _value("SH", requested_procedure_id(order))
    made["00321060"] = _value("LO", _text(order.get("code")) or "Imaging")
    made["00321064"] = _codes(order.get("code"))
    made["00401003"] = _value("SH", PRIORITIES.get(order.get("priority", "routine"), "MEDIUM"))
    made["00321032"] = made["00080090"] = _requester(order, related)
    made["00402016"] = _value("LO", _identifier(order, "PLAC"))
    made["00402017"] = _value("LO", _identifier(order, "FILL"))
    made["00380010"] = {"vr": "LO"}
    made["00400100"] = {
        "vr": "SQ",
        "Value": [
            {
                "00400001": _value("AE", station(order, step, related)),
                "00400002": _value("DA", date),
                "00400003": _value("TM", time),
                "00080060": _value("CS", modality(order, step)),
                "00400006": _performer(order, step, related),
                "00400007": _value("LO", (step or {}).get("description") or _text(order.get("code"))),
                "00400008": _codes(order.get("code")),
                "00400009": _value("SH", step_id(order, step)),
                "00400010": _value("SH", _location(step, related)),
                "00400011": _value("SH", _location(step, related)),
                "00400020": _value("CS", "SCHEDULED"),
            }
        ],
    }
    return made


def study_uid(order: Resource) -> str:
    """The Study Instance UID of an order: its own identifier of urn:dicom:uid, else always the same made of its id."""
    for identifier in order.get("identifier", ()):
        if identifier.get("system") == "urn:dicom:uid":
            return identifier.get("value", "").removeprefix("urn:oid:")
    digest = hashlib.sha256(f"ServiceRequest/{order['id']}".encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def requested_procedure_id(order: Resource) -> str:
    """The Requested Procedure ID: the filler's number, else the end of the order's id."""
    return (_identifier(order, "FILL") or order["id"])[-16:]


def step_id(order: Resource, step: Resource | None) -> str:
    """The Scheduled Procedure Step ID: the end of the id of what schedules it."""
    return (step or order)["id"][-16:]


def modality(order: Resource, step: Resource | None) -> str:
    """The modality, as a code of DICOM that any of the codes has; "" where none says it."""
    for concept in (
        *order.get("category", ()),
        *order.get("orderDetail", ()),
        order.get("code") or {},
        (step or {}).get("code") or {},
        *(step or {}).get("serviceType", ()),
        *(step or {}).get("serviceCategory", ()),
    ):
        for coding in concept.get("coding", ()):
            if coding.get("system") == DCM and re.fullmatch(r"[A-Z]{2,16}", coding.get("code", "")):
                return coding["code"]
    return ""


def station(order: Resource, step: Resource | None, related: dict[str, Resource]) -> str:
    """The Scheduled Station AE Title: an identifier of that system of a device or location that takes part."""
    references = [each.get("actor", {}) for each in (step or {}).get("participant", ())]
    references += [(step or {}).get("owner") or {}, *order.get("performer", ()), *order.get("locationReference", ())]
    for reference in references:
        candidates = [reference.get("identifier") or {}]
        candidates += related.get(reference.get("reference", ""), {}).get("identifier", ())
        for identifier in candidates:
            if identifier.get("system") == STATION_AE:
                return identifier.get("value", "")
    return ""


def _scheduled(order: Resource, step: Resource | None) -> str:
    if step and step["resourceType"] == "Appointment":
        return step.get("start", "")
    if step and step["resourceType"] == "Task":
        period = step.get("executionPeriod") or step.get("restriction", {}).get("period") or {}
        if period.get("start"):
            return period["start"]
    timing = order.get("occurrenceTiming", {})
    period = order.get("occurrencePeriod") or timing.get("repeat", {}).get("boundsPeriod", {})
    events = timing.get("event") or [""]
    return order.get("occurrenceDateTime") or period.get("start") or events[0] or order.get("authoredOn", "")


def _moment(text: str) -> tuple[str, str]:
    found = re.match(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d))?)?", text)
    if not found:
        return "", ""
    year, month, day, hour, minute, second = found.groups()
    return f"{year}{month}{day}", f"{hour}{minute}{second or '00'}" if hour else ""


def _requester(order: Resource, related: dict[str, Resource]) -> dict[str, Any]:
    return _person(order.get("requester") or {}, related)


def _performer(order: Resource, step: Resource | None, related: dict[str, Resource]) -> dict[str, Any]:
    for reference in [each.get("actor", {}) for each in (step or {}).get("participant", ())]:
        if reference.get("reference", "").startswith("Practitioner"):
            return _person(reference, related)
    return {"vr": "PN"}


def _person(reference: Resource, related: dict[str, Resource]) -> dict[str, Any]:
    name = person_name(related.get(reference.get("reference", ""), {}).get("name", [])) or reference.get("display", "")
    return {"vr": "PN", "Value": [{"Alphabetic": name}]} if name else {"vr": "PN"}


def _location(step: Resource | None, related: dict[str, Resource]) -> str:
    for each in (step or {}).get("participant", ()):
        actor = each.get("actor", {})
        if actor.get("reference", "").startswith("Location/"):
            return (related.get(actor["reference"], {}).get("name") or actor.get("display", ""))[:16]
    return ""


def _identifier(order: Resource, kind: str) -> str:
    for identifier in order.get("identifier", ()):
        if any(coding.get("code") == kind for coding in identifier.get("type", {}).get("coding", ())):
            return identifier.get("value", "")
    return ""


def _text(concept: Resource | None) -> str:
    concept = concept or {}
    codings = concept.get("coding", [])
    return (concept.get("text") or (codings[0].get("display", "") if codings else ""))[:64]


def _codes(concept: Resource | None) -> dict[str, Any]:
    items = []
    for coding in (concept or {}).get("coding", ()):
        code, system = coding.get("code", ""), coding.get("system", "")
        if not code or system == DCM:
            continue
        items.append(
            {
                "00080100" if len(code) <= 16 else "00080119": _value("SH" if len(code) <= 16 else "UC", code),
                "00080102": _value("SH", DESIGNATORS.get(system, "L")),
                "00080104": _value("LO", (coding.get("display") or code)[:64]),
            }
        )
    return {"vr": "SQ", "Value": items[:1]} if items else {"vr": "SQ"}


def _value(vr: str, value: str) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value else {"vr": vr}
