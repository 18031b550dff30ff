"""An event as an AuditEvent, by the patterns of IHE Basic Audit Log Patterns.

https://profiles.ihe.net/ITI/BALP/content.html and https://hl7.org/fhir/R4/auditevent.html
"""

from __future__ import annotations

import base64
import re
from typing import Any

from fhir_server.core.keys import instant
from fhir_server.security.audit.event import Event

DCM = "http://dicom.nema.org/resources/ontology/DCM"
PREFIX = "audit-"  # of the ids, before the place
PLACE = re.compile(r"([0-9a-f]{12}-)?[0-9]{1,15}\Z")  # in the log: the machine, where there are several, and the number
PROFILE = "https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit."
PATTERNS = {"C": "Create", "R": "Read", "U": "Update", "D": "Delete", "E": "Query"}
PURPOSE = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
SIGNING = {
    "login": ("110122", "Login"),
    "logout": ("110123", "Logout"),
    "token": ("110126", "Node Authentication"),
    "break-glass": ("110127", "Emergency Override Started"),
    "account": ("110137", "User Security Attributes Changed"),
}
ALERTS = ("break-glass", "account")  # what is a Security Alert of DICOM; the rest of them User Authentication
OUTCOMES = {"0": "Success", "4": "Refused", "8": "Failed"}


def as_resource(place: str, event: Event, name: str) -> dict[str, Any]:
    """The AuditEvent of an event; place: where it is in the log, name: of this server."""
    return {
        "resourceType": "AuditEvent",
        "id": f"{PREFIX}{place}",
        "meta": {"versionId": "1", "lastUpdated": instant(event.recorded), "profile": [_profile(event)]},
        "type": _type(event),
        "subtype": _subtype(event),
        "action": event.action,
        "recorded": instant(event.recorded),
        "outcome": event.outcome,
        "outcomeDesc": f"{OUTCOMES.get(event.outcome, '')} ({event.status})",
        **({"purposeOfEvent": [_purpose(event)]} if event.purpose else {}),
        "agent": _agents(event, name),
        "source": {
            "observer": {"display": name},
            "type": [{"system": "http://terminology.hl7.org/CodeSystem/security-source-type", "code": "4"}],
        },
        **({"entity": entities} if (entities := _entities(event)) else {}),
    }


def _profile(event: Event) -> str:
    if event.kind != "rest":
        return f"{PROFILE}{'UserAuthentication' if event.kind in SIGNING else 'Query'}"
    return PROFILE + ("Patient" if event.patients else "") + PATTERNS[event.action]


def _type(event: Event) -> dict[str, str]:
    if event.kind == "rest":
        return {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest",
                "display": "Restful Operation"}  # fmt: skip
    code = "110113" if event.kind in ALERTS else "110114"
    return {"system": DCM, "code": code, "display": "Security Alert" if code == "110113" else "User Authentication"}


def _subtype(event: Event) -> list[dict[str, str]]:
    if event.kind == "rest":
        return [{"system": "http://hl7.org/fhir/restful-interaction", "code": event.interaction}]
    code, display = SIGNING[event.kind]
    return [{"system": DCM, "code": code, "display": display}]


def _purpose(event: Event) -> dict[str, Any]:
    return {"coding": [{"system": PURPOSE, "code": event.purpose}], **({"text": event.reason} if event.reason else {})}


def _agents(event: Event, name: str) -> list[dict[str, Any]]:
    gives = event.action in "CU"  # the caller is where the data comes from
    network = {"network": {"address": event.address, "type": "2"}} if event.address else {}
    caller = {"identifier": {"value": event.client or "unknown"}}
    agents: list[dict[str, Any]] = [
        {"type": _role(gives), "who": caller, "requestor": not event.user, **network},
        {"type": _role(not gives), "who": {"display": name}, "requestor": False},
    ]
    if event.user:
        reference = {"reference": event.fhir_user} if event.fhir_user else {}
        agents.append(
            {
                "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
                                     "code": "IRCP", "display": "information recipient"}]},
                "who": {**reference, "identifier": {"value": event.user}},
                "altId": event.user,
                "requestor": True,
            }
        )  # fmt: skip
    return agents


def _role(source: bool) -> dict[str, Any]:
    code, display = ("110153", "Source Role ID") if source else ("110152", "Destination Role ID")
    return {"coding": [{"system": DCM, "code": code, "display": display}]}


def _entities(event: Event) -> list[dict[str, Any]]:
    found = [_entity("1", "1", what={"reference": f"Patient/{id}"}) for id in event.patients]
    parts = event.path.split("/")
    found += [_entity("2", "4", what={"reference": reference}) for reference in event.written]
    named = any(reference.startswith(f"{event.path}/") for reference in event.written)
    if len(parts) > 1 and parts[1][:1] not in ("$", "_") and parts[0] != "Patient" and not named:
        stored = parts[0][:1].isupper()  # else it is of what is mounted beside FHIR, such as hl7/messages/7
        found.append(_entity("2", "4", what={"reference": "/".join(parts[:2])} if stored else {"display": event.path}))
    if event.query or event.interaction.startswith("search"):
        text = f"{event.path}?{event.query}".encode()
        found.append(_entity("2", "24", query=base64.b64encode(text).decode()))
    return found


def _entity(type: str, role: str, **content: Any) -> dict[str, Any]:
    return {
        **content,
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-entity-type", "code": type},
        "role": {"system": "http://terminology.hl7.org/CodeSystem/object-role", "code": role},
    }
