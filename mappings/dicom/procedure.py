"""A performed procedure step as a Procedure (PS3.3 sections C.4.13 to C.4.15)."""

from __future__ import annotations

from typing import Any

from mappings.dicom import conversions as to
from mappings.dicom.conversions import URN_DCM_UID, moment, oid
from mappings.dicom.engine import Model, Row, apply

STATUSES = {"IN PROGRESS": "in-progress", "COMPLETED": "completed", "DISCONTINUED": "stopped"}
WRONG_ENTRY = "110514"  # Incorrect worklist entry selected
PROCEDURE = (
    Row("code.coding[]", "00081032", to.codings),
    Row("code.text", "00400254", to.text),
    Row("statusReason.coding[]", "00400281", to.codings),
)


def procedure(uid: str, step: Model, subject: str, based_on: str) -> dict[str, Any]:
    """The Procedure of a step."""
    made: dict[str, Any] = {
        "resourceType": "Procedure",
        "identifier": [{"system": URN_DCM_UID, "value": oid(uid)}],
        "status": STATUSES.get(_first(step, "00400252"), "unknown"),
        "category": {"coding": [{"system": "http://snomed.info/sct", "code": "363679005", "display": "Imaging"}]},
        "subject": {"reference": subject},
    }
    if based_on:
        made["basedOn"] = [{"reference": based_on}]
    period = _period(moment(step, "00400244", "00400245"), moment(step, "00400250", "00400251"))
    if period:
        made["performedPeriod"] = period
    return apply(PROCEDURE, step, made)


def _period(start: str | None, end: str | None) -> dict[str, str]:
    """What is known of start and end; no end before the start, as of a clock that was put right meanwhile."""
    if start and end and end < start and not start.startswith(end):
        end = None
    return {name: found for name, found in (("start", start), ("end", end)) if found}


def wrong_entry(procedure: dict[str, Any]) -> bool:
    """Whether a Procedure was stopped because another entry of the worklist had been meant."""
    codings = procedure.get("statusReason", {}).get("coding", ())
    return procedure["status"] == "stopped" and any(
        (each.get("system"), each.get("code")) == (to.DCM, WRONG_ENTRY) for each in codings
    )


def _first(model: Model, tag: str) -> str:
    values = model.get(tag, {}).get("Value")
    return "" if not values or values[0] is None else str(values[0])
