"""The worklist as FHIR has it: active orders with what schedules them, as items."""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.client import FhirClient
from interfaces.dicom.archive.matching import as_text, asked
from interfaces.dicom.dataset.model import Model
from interfaces.dicom.fhir import Resource, reference, search
from interfaces.dicom.work.patients import Held, survivor
from mappings.dicom.identifiers import token
from mappings.dicom.procedure import wrong_entry
from mappings.dicom.task import is_procedure_step
from mappings.dicom.worklist import item

OPEN_APPOINTMENTS = ("proposed", "pending", "booked", "arrived", "checked-in", "waitlist")
OPEN_TASKS = ("draft", "requested", "received", "accepted", "ready", "on-hold")


class Entry(NamedTuple):
    """One item with the resources that it was made of; step None where the order alone schedules it."""

    item: Model
    order: Resource
    step: Resource | None


async def worklist(client: FhirClient, keys: Model | None = None, order: str = "", *, zone: str = "UTC") -> list[Entry]:
    """Every item that may match: keys narrow the search in FHIR, the caller compares the rest; order: the id of one.

    zone: the hospital's time zone, which scheduled times are in.
    """
    criteria = [
        ("status", "active"),
        ("_revinclude", "Appointment:based-on"),
        ("_revinclude", "Task:based-on"),
        ("_revinclude", "Procedure:based-on"),
        ("_revinclude", "ImagingStudy:basedon"),
        ("_include", "ServiceRequest:subject"),
        ("_include", "ServiceRequest:requester"),
        ("_include", "ServiceRequest:performer"),
        ("_include:iterate", "Appointment:actor"),
        ("_include:iterate", "Task:owner"),
    ]
    if order:
        criteria.append(("_id", order))
    keys = keys or {}
    for tag, name in (("00080050", "identifier"), ("00100020", "subject:Patient.identifier")):
        text = _single(keys, tag)
        if text:
            criteria.append((name, token(text, "")))
    found = await search(client, "ServiceRequest", *criteria)
    known = {reference(each): each for each in found}
    steps: dict[str, list[Resource]] = {}
    begun: set[str] = set()  # orders that were performed already, in part or whole
    for each in found:
        if each["resourceType"] == "ImagingStudy" or (each["resourceType"] == "Procedure" and not wrong_entry(each)):
            begun |= {based.get("reference", "") for based in each.get("basedOn", ())}
        if each["resourceType"] in ("Appointment", "Task") and not is_procedure_step(each):
            for based in each.get("basedOn", ()):
                steps.setdefault(based.get("reference", ""), []).append(each)
    entries = []
    for ordered in found:
        if ordered["resourceType"] != "ServiceRequest":
            continue
        patient = known.get(ordered.get("subject", {}).get("reference", ""))
        if patient is None or patient["resourceType"] != "Patient":
            continue
        try:
            patient = await survivor(client, patient)
        except Held:
            continue
        mine = steps.get(reference(ordered), [])
        open_steps = [each for each in mine if _open(each, reference(ordered) in begun)]
        for step in open_steps or ([] if mine or reference(ordered) in begun else [None]):
            made = item(ordered, patient, step, known, zone)
            if made["00400100"]["Value"][0]["00080060"].get("Value"):  # an order without a modality is no imaging
                entries.append(Entry(made, ordered, step))
    return entries


def _open(step: Resource, begun: bool) -> bool:
    """Whether a step is still to be done; an appointment that has begun says so by what was made of its order."""
    return is_open(step) and (step["resourceType"] == "Task" or not begun)


def is_open(step: Resource) -> bool:
    """Whether a Task or an Appointment has not ended, and a Task not begun, by its own status."""
    return step.get("status") in (OPEN_TASKS if step["resourceType"] == "Task" else OPEN_APPOINTMENTS)


def _single(keys: Model, tag: str) -> str:
    key = keys.get(tag)
    if not key or not asked(key):
        return ""
    text = as_text(key["Value"][0])
    return "" if "*" in text or "?" in text else text
