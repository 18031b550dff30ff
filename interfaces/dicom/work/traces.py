"""Provenance and AuditEvent of what came by DICOM (PS3.15 section A.5.3.7, DICOM Instances Transferred)."""

from __future__ import annotations

from typing import Any

from mappings.dicom.conversions import DCM

TRANSFERRED = {"system": DCM, "code": "110104", "display": "DICOM Instances Transferred"}
PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def provenance(
    target: str, sender: str, moment: str, activity: dict[str, str] = TRANSFERRED, name: str = ""
) -> dict[str, Any]:
    """Says which application entity a resource came of, or who by name where it was none, and by what."""
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target}],
        "recorded": moment,
        "activity": {"coding": [activity]},
        "agent": [
            {
                "type": {"coding": [{"system": PARTICIPANT, "code": "assembler"}]},
                "who": {
                    "identifier": {"system": "urn:dicom:ae-title", "value": sender or "unknown"},
                    "display": sender,
                },
            }
        ]
        if sender
        else [{"who": {"display": name or "DICOM archive"}}],
    }


def audit_event(study: str, patient: str, sender: str, uid: str, moment: str) -> dict[str, Any]:
    """Says that instances of a study were received."""
    return {
        "resourceType": "AuditEvent",
        "type": TRANSFERRED,
        "action": "C",
        "recorded": moment,
        "outcome": "0",
        "agent": [
            {
                "type": {"coding": [{"system": DCM, "code": "110153", "display": "Source Role ID"}]},
                "altId": sender or "unknown",
                "requestor": True,
            },
            {
                "type": {"coding": [{"system": DCM, "code": "110152", "display": "Destination Role ID"}]},
                "name": "DICOM archive",
                "requestor": False,
            },
        ],
        "source": {"observer": {"display": "DICOM archive"}},
        "entity": [
            {
                "what": {"reference": study, "identifier": {"system": "urn:dicom:uid", "value": f"urn:oid:{uid}"}},
                "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "2"},
            },
            {
                "what": {"reference": patient},
                "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": "1"},
            },
        ],
    }
