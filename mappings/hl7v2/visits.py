"""What patients, visits, appointments and their insurance ask for beyond their fields."""

from __future__ import annotations

from datetime import datetime, timedelta

from mappings.hl7v2.content import ABSENT, has_content, suppose, yields
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.merging import OVER
from mappings.hl7v2.primitives import convert
from mappings.hl7v2.source import Segment
from mappings.hl7v2.tables import Tables

SETTLED = (*OVER, "onleave")  # states of a visit that only an event, or a null of PV1-45, takes back
RETURNS = ("A01", "A04", "A13")  # events after which whoever had left is there
OF_A_DISCHARGE = (("period", "end"), ("hospitalization", "dischargeDisposition"), ("hospitalization", "destination"))
FACILITY = "urn:x-hl7v2:facility"  # system of the names of facilities, PV1-39 or MSH-4


def finish_patient(draft: Draft, node: Node, tables: Tables) -> None:
    """Activity by the event, and pat-1."""
    if draft.event == "A29" and draft.message.type == "ADT":
        node.put("active", False)
    if draft.message.type == "ADT" and draft.event in ("A01", "A04", "A05", "A28"):
        node.notes["comes_back"] = True
    for contact in node.values("contact"):
        for name in list(contact.items):
            if not any(has_content(one) for one in contact.values(name)):
                del contact.items[name]
    item = node.items.get("contact")
    if isinstance(item, dict):  # pat-1: a contact has a name, a telecom, an address or an organization
        for one, contact in list(item.items()):
            if not any(contact.values(name) for name in ("name", "telecom", "address", "organization")):
                del item[one]


def finish_encounter(draft: Draft, node: Node, tables: Tables) -> None:
    """The status that an ADT event tells, a class, and only places and people that are known."""
    event = draft.event
    told = draft.message.type == "ADT" and event == "A04"  # who registers opens a visit
    if draft.message.type == "ADT":
        found = tables.code("Event[EncounterStatus]", event)
        if found and event not in ("A04", "A08"):  # these tell nothing that PV1 does not tell better
            node.put("status", found[0])
            told = True
    visit: Segment | None = node.segments.get("PV1")
    if not told and not (visit is not None and visit.value(45)):
        yields(node, "status", SETTLED)  # a class of patients (PV1-2) ends no leave, and opens no visit again
    if event in RETURNS and draft.message.type == "ADT":  # nobody has left, or has come again
        node.notes.setdefault("removals", []).extend((path, {}, "EVN") for path in OF_A_DISCHARGE)
        if event == "A13" and "period" in node.items:
            node.child("period", "Period").items.pop("end", None)
    if not isinstance(node.items.get("class"), Element) or not node.items["class"].items.get("code"):
        coding = Element("Coding")
        coding.items = {"system": ABSENT, "code": "unknown"}
        suppose(node, "class", coding)
    for name in ("location", "participant", "diagnosis"):
        item = node.items.get(name)
        for one, element in list(item.items()) if isinstance(item, dict) else ():
            asked = {"location": "location", "participant": "individual", "diagnosis": "condition"}[name]
            if asked not in element.items or not has_content(element.items[asked]):
                del item[one]  # type: ignore[union-attr]
            elif name == "location" and node.items.get("status") in OVER:
                element.put("status", "completed")
    if visit is not None and "serviceProvider" not in node.items:
        _provided_by(visit.value(39) or draft.header.value(4), node, tables)
        if not visit.value(39):  # a laboratory that names the visit is not who provides it
            yields(node, "serviceProvider")


def _provided_by(facility: str, node: Node, tables: Tables) -> None:
    """The organization by its identifier: v2's name of it, or what a site's codes.csv has for table Facility."""
    if not facility:
        return
    found = tables.code("Facility", facility)
    named = Element("Identifier")
    named.items = {"system": found[2] if found else FACILITY, "value": found[0] if found else facility}
    provider = Element("Reference")
    provider.items = {"type": "Organization", "identifier": named}
    node.put("serviceProvider", provider)


# The segments that name an appointment's resources, and what each is.
RESOURCES = {"AIP": "Practitioner", "AIL": "Location", "AIG": "Device"}


def finish_appointment(draft: Draft, node: Node, tables: Tables) -> None:
    """The status that the event tells, its patients, and its end."""
    event = tables.code("Event[AppointmentStatus]", draft.event)
    if event and (draft.event in ("S15", "S16", "S17", "S26") or "status" not in node.items):
        node.put("status", event[0])
    participants = node.items.setdefault("participant", {})
    for number, patient in enumerate(draft.of("Patient")):  # several come to a group
        element = Element("Appointment.participant")
        element.put("actor", patient)
        participants["patient", number] = element
    for one, element in list(participants.items()):
        actor = element.items.get("actor")
        if not element.values("type") and (actor is None or not has_content(actor)):
            del participants[one]
            continue
        element.items.setdefault("status", "accepted")
    segments = draft.message.segments
    stated = [convert(one.value(4), "instant", draft.zone) for one in segments if one.name == "AIS"]
    begins = [one for one in stated if one]
    if node.items.get("start") in begins:
        node.put("start", min(begins))  # of several services the first
    named = {one.name for one in segments}
    node.notes["unstated"] = {kind for name, kind in RESOURCES.items() if name not in named}
    start, minutes = node.items.get("start"), node.items.get("minutesDuration")
    if start and "end" not in node.items and minutes:
        end = datetime.fromisoformat(start.replace("Z", "+00:00")) + timedelta(minutes=int(minutes))
        node.put("end", end.isoformat().replace("+00:00", "Z" if start.endswith("Z") else "+00:00"))
    if not participants:
        draft.issues.append("The appointment has no participant.")
        draft.nodes.remove(node)


def finish_account(draft: Draft, node: Node, tables: Tables) -> None:
    """An account that is purged (P02) or ended (P06) is inactive, until one is added (P01)."""
    event = draft.event if draft.message.type == "BAR" else ""
    if event in ("P02", "P06"):
        node.put("status", "inactive")
    elif event != "P01":
        yields(node, "status", ("inactive", "entered-in-error"))


def finish_coverage(draft: Draft, node: Node, tables: Tables) -> None:
    """A payor, whole classes, and the subscriber."""
    payors = node.items.get("payor")
    if not isinstance(payors, dict) or not any(has_content(one) for one in payors.values()):
        unknown = Element("Reference")
        unknown.put("display", "not stated")
        node.items.pop("payor", None)
        suppose(node, "payor", unknown, True)
    classes = node.items.get("class")
    if isinstance(classes, dict):
        for one, element in list(classes.items()):
            if "value" not in element.items:
                del classes[one]
    patient = next(iter(draft.of("Patient")), None)
    segment: Segment | None = node.segments.get("IN1")
    if patient is not None and segment and segment.value(17).upper() in ("SEL", "18", "SELF", "PATIENT"):
        node.put("subscriber", patient)
