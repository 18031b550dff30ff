"""What events mean beyond the fields of their messages, and what R4 asks for that a message may leave out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from mappings.hl7v2.charges import finish_charge
from mappings.hl7v2.content import has_content, suppose
from mappings.hl7v2.documents import finish_document
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.links import PATIENT
from mappings.hl7v2.masters import finish_location, finish_practitioner, tell_of_files
from mappings.hl7v2.results import finish_observation, finish_report
from mappings.hl7v2.tables import Tables
from mappings.hl7v2.treatments import (
    finish_administration,
    finish_allergy,
    finish_condition,
    finish_immunization,
    finish_procedure,
    finish_provenance,
    finish_service,
)
from mappings.hl7v2.visits import (
    finish_account,
    finish_appointment,
    finish_coverage,
    finish_encounter,
    finish_patient,
)

# What a resource says where its message does not: only what R4 asks for.
DEFAULTS: dict[str, dict[str, Any]] = {
    "Observation": {"status": "unknown"},
    "DiagnosticReport": {"status": "unknown"},
    "ServiceRequest": {"status": "active", "intent": "order"},
    "MedicationRequest": {"status": "active", "intent": "order"},
    "MedicationDispense": {"status": "completed"},
    "MedicationAdministration": {"status": "completed"},
    "Immunization": {"status": "completed"},
    "Encounter": {"status": "unknown"},
    "Appointment": {"status": "booked"},
    "DocumentReference": {"status": "current"},
    "Procedure": {"status": "completed"},
    "Coverage": {"status": "active"},
    "ChargeItem": {"status": "billable"},
    "Account": {"status": "active"},
    "Goal": {"lifecycleStatus": "active"},
    "CareTeam": {"status": "active"},
    "CarePlan": {"status": "active", "intent": "plan"},
    "Consent": {"status": "active"},
}
_NO_DEFAULTS: dict[str, Any] = {}
# The concepts that R4 asks for: where one lacks, the resource can't be made; the field that states it.
REQUIRED = {
    "Observation": ("code", "OBX-3"), "DiagnosticReport": ("code", "OBR-4"), "Immunization": ("vaccineCode", "RXA-5"),
    "MedicationRequest": ("medicationCodeableConcept", "RXE-2 or RXO-1"), "ChargeItem": ("code", "FT1-7"),
    "MedicationDispense": ("medicationCodeableConcept", "RXD-2"), "Goal": ("description", "GOL-3"),
    "Consent": ("category", "CON-2"), "CarePlan": ("category", "PTH-2"),
    "MedicationAdministration": ("medicationCodeableConcept", "RXA-5"),
}  # fmt: skip
# What a segment is about: where that lacks, as in an empty segment or one of nulls, nothing is made of it.
ABOUT_WHAT = {"AllergyIntolerance": ("AL1", "IAM"), "Condition": ("DG1", "PRB"), "Procedure": ("PR1",),
              "RelatedPerson": ("NK1", "GT1"), "Coverage": ("IN1",)}  # fmt: skip
CODED = ("AllergyIntolerance", "Condition", "Procedure")

# Messages that say nothing without one of these segments.
ABOUT = {"MDM": ("TXA",), "SIU": ("SCH",), "ORU": ("OBR", "OBX"), "ORM": ("ORC", "OBR"), "OML": ("ORC", "OBR"),
         "OMG": ("ORC", "OBR"), "OMI": ("ORC", "OBR"), "MFN": ("MFE",), "OMP": ("ORC", "RXO"), "RDE": ("ORC", "RXE"),
         "RDS": ("ORC", "RXD"), "RAS": ("ORC", "RXA"), "OUL": ("OBR", "OBX", "SPM"),
         "DFT": ("FT1", "PR1", "DG1")}  # fmt: skip


def finish(draft: Draft, tables: Tables) -> None:
    """Completes the resources of a draft by its event; those that R4 can't hold are dropped with an issue."""
    wanted = ABOUT.get(draft.message.type)
    if wanted and not any(one.name in wanted for one in draft.message.segments):
        draft.issues.append(f"ERROR {wanted[0]} is required: without it {draft.message.type} says nothing.")
    for node in draft.nodes:
        if node.type == "Organization" and not any(
            has_content(one) for name in ("name", "identifier") for one in node.values(name)
        ):
            node.items.clear()  # org-1: an organization has a name or an identifier
    for node in list(draft.nodes):
        if finisher := _FINISHERS.get(node.type):
            finisher(draft, node, tables)
        for name, value in DEFAULTS.get(node.type, _NO_DEFAULTS).items():
            if name not in node.items:
                suppose(node, name, value)
    tell_of_files(draft)
    gone = _without_patient(draft) | _without_concept(draft) | _about_nothing(draft) | _no_visits(draft)
    if gone:
        _forget(draft, gone)


def _without_patient(draft: Draft) -> set[int]:
    """By id, the resources that need a patient and have none; an issue for each."""
    gone: set[int] = set()
    for node in draft.nodes:
        name = PATIENT.get(node.type, "")
        if name and name not in node.items and node.used and node.type not in ("Account", "Specimen"):
            gone.add(id(node))
            draft.issues.append(f"ERROR PID is required: without a patient no {node.type} can be made.")
    return gone


def _without_concept(draft: Draft) -> set[int]:
    """By id, the resources without the concept that R4 asks for; an issue for each whose segment the message has."""
    gone: set[int] = set()
    for node in draft.nodes:
        name, field = REQUIRED.get(node.type, ("", ""))
        if name and not any(has_content(one) for one in node.values(name)):
            gone.add(id(node))
            segments = node.segments
            places = [(segments[one], number) for one, number in re.findall(r"(\w{3})-(\d+)", field) if one in segments]
            if places:
                where = field if " or " in field else draft.place(*places[0])
                draft.issues.append(f"ERROR {where} is required: without it no {node.type} can be made.")
    return gone


def _about_nothing(draft: Draft) -> set[int]:
    """By id, the resources of segments that name nothing; a warning where such a segment says something at all."""
    gone: set[int] = set()
    for node in draft.nodes:
        segment = next((node.segments[one] for one in ABOUT_WHAT.get(node.type, ()) if one in node.segments), None)
        if segment is None or any(has_content(one) for name in _telling(node) for one in node.values(name)):
            continue
        gone.add(id(node))
        if any(segment.fields[2:]):
            draft.issues.append(
                f"{draft.place(segment, 3)}: it names nothing, no {node.type} is made of it; what is there is kept."
            )
    return gone


def _no_visits(draft: Draft) -> set[int]:
    """By id, the visits that are none: a PV1 that is there as the syntax asks for it, of class N (not applicable)."""
    found = [(node, node.segments.get("PV1")) for node in draft.of("Encounter")]
    fields = (19, 44, 50)
    return {id(node) for node, pv1 in found if pv1 and pv1.value(2) == "N" and not any(map(pv1.value, fields))}


def _telling(node: Node) -> list[str]:
    """The elements that tell what a resource is about."""
    if node.type in CODED:
        return ["code", "identifier"]
    besides = {PATIENT[node.type], "status", "active", *node.notes.get("supposed", ())}
    return [name for name in node.items if name not in besides]


def _forget(draft: Draft, gone: set[int]) -> None:
    draft.nodes = [node for node in draft.nodes if id(node) not in gone]
    for node in draft.nodes:
        for name, item in list(node.items.items()):
            if isinstance(item, dict):
                for one in [one for one, value in item.items() if _names(value, gone)]:
                    del item[one]
            elif id(item) in gone:
                del node.items[name]


def _names(value: Any, gone: set[int]) -> bool:
    """Whether an item of a list is such a resource, or is about one, as a visit's diagnosis is about its condition."""
    inner = value.items.values() if isinstance(value, Element) and not isinstance(value, Node) else ()
    return id(value) in gone or any(id(one) in gone for one in inner)


_FINISHERS: dict[str, Callable[[Draft, Node, Tables], None]] = {
    "DiagnosticReport": finish_report,
    "Patient": finish_patient,
    "Encounter": finish_encounter,
    "Location": finish_location,
    "Practitioner": finish_practitioner,
    "Observation": finish_observation,
    "Appointment": finish_appointment,
    "DocumentReference": finish_document,
    "Condition": finish_condition,
    "AllergyIntolerance": finish_allergy,
    "Account": finish_account,
    "Coverage": finish_coverage,
    "ServiceRequest": finish_service,
    "Immunization": finish_immunization,
    "MedicationAdministration": finish_administration,
    "Procedure": finish_procedure,
    "ChargeItem": finish_charge,
    "Provenance": finish_provenance,
}
