"""Links within a message: what HL7's message tables say in their References column, and what every resource needs.

The References column is read where it says `A[1].path.reference=B[1].id`; the patient and the visit of a group are
linked to whatever in the group has no such link yet.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from fhir_server.core.errors import FhirError
from mappings.hl7v2.targets import Target, parse_target

# The element that names the patient, and the one that names the visit, of each type.
PATIENT = {
    "Account": "subject", "AllergyIntolerance": "patient", "Appointment": "", "CarePlan": "subject",
    "CareTeam": "subject", "ChargeItem": "subject", "Condition": "subject", "Consent": "patient",
    "Coverage": "beneficiary", "DiagnosticReport": "subject",
    "DocumentReference": "subject", "Encounter": "subject", "EpisodeOfCare": "patient", "Goal": "subject",
    "Immunization": "patient", "MedicationAdministration": "subject", "MedicationDispense": "subject",
    "MedicationRequest": "subject", "Observation": "subject", "Procedure": "subject", "RelatedPerson": "patient",
    "ServiceRequest": "subject", "Specimen": "subject", "Flag": "subject",
}  # fmt: skip
VISIT = {
    "CarePlan": "encounter", "ChargeItem": "context", "Condition": "encounter", "DiagnosticReport": "encounter",
    "DocumentReference": "context.encounter", "Immunization": "encounter", "MedicationAdministration": "context",
    "MedicationDispense": "context", "MedicationRequest": "encounter", "Observation": "encounter",
    "Procedure": "encounter", "ServiceRequest": "encounter",
}  # fmt: skip
_REFERENCE = re.compile(
    r"\s*([A-Za-z]+)(?:\[([^\]]*)\])?\.([\w.\[\]]+?)(?:\.reference|\.id)?\s*=\s*([A-Z][A-Za-z]+)(?:\[([^\]]*)\])?"
)


class Link(NamedTuple):
    """The resource of a type and label refers at a target to another."""

    type: str
    label: str
    target: Target
    other: str
    other_label: str


@lru_cache(1024)
def read_links(text: str) -> tuple[Link, ...]:
    """The links that a References cell states; what can't be read is left to the patient and visit links."""
    links = []
    for part in re.split(r"[;]| (?=[A-Z][a-zA-Z]+\[)", text):
        found = _REFERENCE.match(part)
        if not found:
            continue
        kind, label, path, other, other_label = found.groups()
        kind = {"Immunzation": "Immunization"}.get(kind, kind)
        try:
            target = parse_target(f"{path}({other})", kind)
        except (FhirError, KeyError):
            continue
        if target.steps and target.steps[-1].refers == other:
            links.append(Link(kind, label or "", target, other, other_label or ""))
    return tuple(links)
