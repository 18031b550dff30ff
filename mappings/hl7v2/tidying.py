"""Rules of R4's data types that a sender's values may break, put right where the value is made.

Each takes the JSON of an element and a list for what it had to leave out; {} drops the element.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

Json = dict[str, Any]


CORE = "http://hl7.org/fhir/StructureDefinition/"
# R4's extensions of the tables with max 1: https://hl7.org/fhir/R4/defining-extensions.html#cardinality
SINGLE = frozenset((
    "condition-assertedDate", "contactpoint-area", "contactpoint-country", "contactpoint-extension",
    "contactpoint-local", "data-absent-reason", "encounter-modeOfArrival", "event-location", "event-performerFunction",
    "event-statusReason", "humanname-assembly-order", "humanname-own-name", "humanname-own-prefix",
    "humanname-partner-name", "humanname-partner-prefix", "iso21090-AD-use", "iso21090-preferred", "originalText",
    "patient-animal", "patient-birthPlace", "patient-birthTime", "patient-congregation", "patient-importance",
    "patient-mothersMaidenName", "request-statusReason",
))  # fmt: skip


def _period(found: Json, left_out: list[str]) -> Json:
    """per-1: the start is not after the end."""
    start, end = found.get("start"), found.get("end")
    if start and end and _before(end, start):
        left_out.append(f"A period ends ({end}) before it begins ({start}); the end is left out.")
        del found["end"]
    return found


def _before(first: str, second: str) -> bool:
    if "T" in first and "T" in second:
        return datetime.fromisoformat(first.replace("Z", "+00:00")) < datetime.fromisoformat(
            second.replace("Z", "+00:00")
        )
    length = min(len(first), len(second), 10)
    return first[:length] < second[:length]


def _more_than(*labels: str) -> Callable[[Json, list[str]], Json]:
    """What is there but for its labels, as the kind of an address that has no lines (^^^^^^H)."""

    def tidy(found: Json, left_out: list[str]) -> Json:
        return found if any(name not in labels for name in found) else {}

    return tidy


def _contact_point(found: Json, left_out: list[str]) -> Json:
    """cpt-2: a value has a system; a kind of telephone without a number is none (^PRN^PH)."""
    if not found.keys() - {"use", "system"}:
        return {}
    if "value" in found and "system" not in found:
        found["system"] = "other"
    return found


def _annotation(found: Json, left_out: list[str]) -> Json:
    """A note has a text."""
    return found if found.get("text") else {}


def _range(found: Json, left_out: list[str]) -> Json:
    """rng-2: low is not above high; a bound has a value."""
    for name in ("low", "high"):
        if name in found and "value" not in found[name]:
            del found[name]
    low, high = found.get("low", {}).get("value"), found.get("high", {}).get("value")
    if low is not None and high is not None and low > high:
        left_out.append(f"A range goes from {low} to {high}; the upper bound is left out.")
        del found["high"]
    return found


def _duration(found: Json, left_out: list[str]) -> Json:
    """drt-1: a duration has a code of time."""
    return found if "value" in found and "code" in found else {}


def _quantity(found: Json, left_out: list[str]) -> Json:
    """qty-3: a code has a system."""
    if "code" in found and "system" not in found:
        found.setdefault("unit", found["code"])
        del found["code"]
    return found


def _ratio(found: Json, left_out: list[str]) -> Json:
    """rat-1: both parts or none."""
    return found if ("numerator" in found) == ("denominator" in found) else {}


def _reference_range(found: Json, left_out: list[str]) -> Json:
    """obs-3: a reference range has a low, a high or a text."""
    return found if any(name in found for name in ("low", "high", "text")) else {}


def _attachment(found: Json, left_out: list[str]) -> Json:
    """att-1: data has a content type."""
    if "data" in found:
        found.setdefault("contentType", "application/octet-stream")
    return found


def _participant(found: Json, left_out: list[str]) -> Json:
    """app-1: a participant has a type or an actor."""
    return found if "type" in found or "actor" in found else {}


def _repeat(found: Json, left_out: list[str]) -> Json:
    """tim-2 and the like: what needs another element that lacks is left out."""
    if "count" in found and found["count"] == 0:
        del found["count"]
    if "duration" in found and "durationUnit" not in found:
        del found["duration"]
    return found


def _extension(found: Json, left_out: list[str]) -> Json:
    """patient-animal: an animal has a species."""
    if str(found.get("url", "")).endswith("/patient-animal"):
        return found if any(one.get("url") == "species" for one in found.get("extension", ())) else {}
    return found


def once(extensions: list[Json], left_out: list[str]) -> list[Json]:
    """The extensions of an element, of those that R4 allows once there the first."""
    if len(extensions) == 1:
        return extensions
    kept: dict[Any, Json] = {}
    for position, each in enumerate(extensions):
        url = str(each.get("url", ""))
        single = url.removeprefix(CORE) in SINGLE if url.startswith(CORE) else False
        if kept.setdefault(url if single else position, each) is not each:
            left_out.append(f"{url} may be there once; the first is kept, the others are left out.")
    return list(kept.values())


def _needs(*names: str) -> Callable[[Json, list[str]], Json]:
    def tidy(found: Json, left_out: list[str]) -> Json:
        return found if all(name in found for name in names) else {}

    return tidy


TIDY: dict[str, Callable[[Json, list[str]], Json]] = {
    "Period": _period, "Extension": _extension,
    "HumanName": _more_than("use"), "Address": _more_than("use", "type"),
    "ContactPoint": _contact_point, "Annotation": _annotation, "Range": _range,
    "Duration": _duration, "Quantity": _quantity, "Ratio": _ratio, "Attachment": _attachment,
    "Observation.referenceRange": _reference_range, "Appointment.participant": _participant,
    "Timing.repeat": _repeat, "Encounter.location": _needs("location"), "Encounter.diagnosis": _needs("condition"),
    "Account.guarantor": _needs("party"),
    "Patient.communication": _needs("language"), "RelatedPerson.communication": _needs("language"),
    "Coverage.class": _needs("type", "value"), "Procedure.performer": _needs("actor"),
    "Immunization.performer": _needs("actor"), "MedicationDispense.performer": _needs("actor"),
    "MedicationAdministration.performer": _needs("actor"), "ChargeItem.performer": _needs("actor"),
    "Provenance.agent": _needs("who"), "Device.deviceName": _needs("name", "type"),
    "AllergyIntolerance.reaction": _needs("manifestation"), "Practitioner.qualification": _needs("code"),
    "DocumentReference.content": _needs("attachment"),
}  # fmt: skip
