"""What events mean beyond the fields of their messages, and what R4 asks for that a message may leave out."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.links import PATIENT
from mappings.hl7v2.primitives import convert, date_time, encoded
from mappings.hl7v2.source import Segment, part
from mappings.hl7v2.tables import Tables

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
# The concepts that R4 asks for: where one lacks, the resource can't be made; the field that states it.
REQUIRED = {
    "Observation": ("code", "OBX-3"), "DiagnosticReport": ("code", "OBR-4"), "Immunization": ("vaccineCode", "RXA-5"),
    "MedicationRequest": ("medicationCodeableConcept", "RXE-2 or RXO-1"), "ChargeItem": ("code", "FT1-7"),
    "MedicationDispense": ("medicationCodeableConcept", "RXD-2"), "Goal": ("description", "GOL-3"),
    "Consent": ("category", "CON-2"), "CarePlan": ("category", "PTH-2"),
    "MedicationAdministration": ("medicationCodeableConcept", "RXA-5"),
}  # fmt: skip
ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
TEXTS = ("TX", "FT", "ST", "")
MEDIA = {"PDF": "application/pdf", "RTF": "application/rtf", "HTML": "text/html", "JPEG": "image/jpeg",
         "JPG": "image/jpeg", "PNG": "image/png", "GIF": "image/gif", "TIFF": "image/tiff", "XML": "application/xml",
         "TXT": "text/plain", "TEXT": "text/plain", "OCTET-STREAM": "application/octet-stream"}  # fmt: skip


def finish(draft: Draft, tables: Tables) -> None:
    """Completes the resources of a draft by its event; those that R4 can't hold are dropped with an issue."""
    for node in draft.nodes:
        if node.type == "Organization" and not any(
            has_content(one) for name in ("name", "identifier") for one in node.values(name)
        ):
            node.items.clear()  # org-1: an organization has a name or an identifier
    for node in list(draft.nodes):
        if finisher := _FINISHERS.get(node.type):
            finisher(draft, node, tables)
        for name, value in DEFAULTS.get(node.type, {}).items():
            if name not in node.items:
                node.put(name, value)
    gone: set[int] = set()
    for node in draft.nodes:
        name = PATIENT.get(node.type, "")
        if name and name not in node.items and node.notes.get("used") and node.type not in ("Account", "Specimen"):
            gone.add(id(node))
            draft.issues.append(f"ERROR PID is required: without a patient no {node.type} can be made.")
    for node in draft.nodes:
        name, field = REQUIRED.get(node.type, ("", ""))
        if name and not any(has_content(one) for one in node.values(name)):
            gone.add(id(node))
            if any(one in node.notes.get("segments", {}) for one in re.findall(r"(\w{3})-", field)):
                draft.issues.append(f"ERROR {field} is required: without it no {node.type} can be made.")
    if gone:
        _forget(draft, gone)


def _forget(draft: Draft, gone: set[int]) -> None:
    draft.nodes = [node for node in draft.nodes if id(node) not in gone]
    for node in draft.nodes:
        for name, item in list(node.items.items()):
            if isinstance(item, dict):
                for one in [one for one, value in item.items() if id(value) in gone]:
                    del item[one]
            elif id(item) in gone:
                del node.items[name]


# ------------------------------------------------------------------------------------------------ visits
def _encounter(draft: Draft, node: Node, tables: Tables) -> None:
    event = draft.event
    if draft.message.type == "ADT":
        found = tables.code("Event[EncounterStatus]", event)
        if found and event not in ("A04", "A08"):  # these tell nothing that PV1 does not tell better
            node.put("status", found[0])
    if not isinstance(node.items.get("class"), Element) or not node.items["class"].items.get("code"):
        coding = Element("Coding")
        coding.items = {"system": ABSENT, "code": "unknown"}
        node.put("class", coding)
    for name in ("location", "participant", "diagnosis"):
        item = node.items.get(name)
        for one, element in list(item.items()) if isinstance(item, dict) else ():
            asked = {"location": "location", "participant": "individual", "diagnosis": "condition"}[name]
            if asked not in element.items or not _refers(element.items[asked]):
                del item[one]  # type: ignore[union-attr]


def _refers(item: Any) -> bool:
    return has_content(item)


def has_content(item: Any) -> bool:
    """Whether anything but empty elements is in it."""
    if isinstance(item, Element):
        return any(has_content(one) for name in item.items for one in item.values(name))
    return item not in (None, "")


def _patient(draft: Draft, node: Node, tables: Tables) -> None:
    if draft.event == "A29" and draft.message.type == "ADT":
        node.put("active", False)
    for contact in node.values("contact"):
        for name in list(contact.items):
            if not any(has_content(one) for one in contact.values(name)):
                del contact.items[name]
    item = node.items.get("contact")
    if isinstance(item, dict):  # pat-1: a contact has a name, a telecom, an address or an organization
        for one, contact in list(item.items()):
            if not any(contact.values(name) for name in ("name", "telecom", "address", "organization")):
                del item[one]


# ------------------------------------------------------------------------------------------------ results
def _observation(draft: Draft, node: Node, tables: Tables) -> None:
    segment: Segment | None = node.notes.get("segments", {}).get("OBX")
    if segment is None:
        return
    kind = segment.value(2)
    values = segment.repetitions(5)
    valued = any(name.startswith("value") for name in node.items) or "component" in node.items
    if kind in ("ED", "RP") and values:
        for name in [name for name in node.items if name.startswith("value") or name == "component"]:
            del node.items[name]
        _document(draft, node, segment, kind)
    elif values and not valued:
        text = "\n".join(" ".join(one for component in value for one in component if one) for value in values)
        if kind == "SN":
            text = " ".join([*(one for one in text.split() if one), segment.value(6)]).strip()
        if text.strip() and text != '""':
            node.put("valueString", convert(text, "string"))
            if kind not in (*TEXTS, "SN", "VR", "ID", "FT"):
                draft.issues.append(f"OBX-5: {text[:40]!r} can't be read as {kind}; it is kept as text.")
    quantity = node.items.get("valueQuantity")
    if isinstance(quantity, Element) and "value" not in quantity.items:
        del node.items["valueQuantity"]
        if "valueString" not in node.items and values:
            text = part(values[0]) or part(values[0], 2)
            if text:
                node.put("valueString", f"{text} {segment.value(6)}".strip())
    if len(_choices(node, "value")) > 1:
        node.items.pop("valueString", None)
    components = node.items.get("component")
    if isinstance(components, dict):
        for element in components.values():
            if "code" not in element.items and isinstance(node.items.get("code"), Element):
                element.items["code"] = node.items["code"]
            number = element.items.get("valueQuantity")
            if isinstance(number, Element) and segment.value(6):
                number.items.setdefault("unit", segment.value(6, 1, 2) or segment.value(6))
    status = segment.value(11)
    if status == "X" and not valued:
        _absence(node, "error")
    if _choices(node, "value"):
        node.items.pop("dataAbsentReason", None)
    elif status == "N":
        node.items.pop("dataAbsentReason", None)
        _absence(node, "not-asked")
    if "effectiveDateTime" not in node.items:
        report = node.notes.get("report_time")
        if report:
            node.put("effectiveDateTime", report)


def _choices(node: Node, stem: str) -> list[str]:
    end = len(stem)
    return [name for name in node.items if name.startswith(stem) and "A" <= name[end : end + 1] <= "Z"]


def _stated(node: Node, stem: str) -> bool:
    """Whether a choice has content; one that has none is taken away."""
    for name in _choices(node, stem):
        if not has_content(node.items[name]):
            del node.items[name]
    return bool(_choices(node, stem))


def _absence(node: Node, code: str) -> None:
    concept = Element("CodeableConcept")
    coding = Element("Coding")
    coding.items = {"system": ABSENT, "code": code}
    concept.put("coding", coding, True)
    node.put("dataAbsentReason", concept)


def _document(draft: Draft, node: Node, segment: Segment, kind: str) -> None:
    """ED and RP: the content goes to a Binary; the report presents it, and a document refers to it."""
    node.items.pop("extension", None)
    for number, value in enumerate(segment.repetitions(5), 1):
        attachment = Element("Attachment")
        attachment.put("title", segment.value(3, 1, 2) or segment.value(3))
        if kind == "RP":
            url = convert(part(value), "url")
            if url:
                attachment.put("url", url)
            media = "/".join(one for one in (part(value, 3), part(value, 4)) if one)
            if "/" in media:
                attachment.put("contentType", media)
        else:
            media = _media_type(part(value, 2), part(value, 3))
            data = encoded(part(value, 5), part(value, 4) or "Base64")
            attachment.put("contentType", media)
            if data is None:
                if part(value, 5):
                    draft.issues.append(
                        f"ERROR OBX-5: the content of {segment.value(3)} is not {part(value, 4) or 'Base64'}."
                    )
                continue
            raw = base64.b64decode(data)
            binary = Node("Binary", source=segment)
            binary.items = {"contentType": media, "data": data}
            binary.notes["content_of"] = node
            binary.notes["number"] = number
            binary.notes["used"] = True
            draft.nodes.append(binary)
            attachment.put("url", binary)
            attachment.put("size", len(raw))
            attachment.put("hash", base64.b64encode(hashlib.sha1(raw, usedforsecurity=False).digest()).decode())
        if "url" not in attachment.items:
            continue
        holders = [one for one in draft.nodes if one.type == "DiagnosticReport" and node in one.values("result")]
        for report in holders:
            report.put("presentedForm", attachment, True, (id(node), number))
        documents = [one for one in draft.nodes if one.type == "DocumentReference"]
        if not holders and documents:
            content = Element("DocumentReference.content")
            content.put("attachment", attachment)
            documents[-1].put("content", content, True, (id(node), number))
    if not _choices(node, "value"):
        node.put("valueString", segment.value(3, 1, 2) or "see the document")


def _media_type(kind: str, subtype: str) -> str:
    """ED.2 and ED.3 as a MIME type; some senders write application, others AP."""
    if "/" in subtype:
        return subtype.lower()
    known = MEDIA.get(subtype.upper())
    if known:
        return known
    kind = {"AP": "application", "APPLICATION": "application", "IM": "image", "IMAGE": "image", "TX": "text",
            "TEXT": "text", "FT": "text", "AU": "audio"}.get(kind.upper(), "application")  # fmt: skip
    subtype = re.sub(r"[^a-z0-9.+-]", "", subtype.lower())
    return f"{kind}/{subtype}" if subtype else "application/octet-stream"


def _report(draft: Draft, node: Node, tables: Tables) -> None:
    segment: Segment | None = node.notes.get("segments", {}).get("OBR")
    time = node.items.get("effectiveDateTime") or (segment and date_time(segment.value(7), draft.zone))
    for one in node.values("result"):
        if isinstance(one, Node) and time:
            one.notes.setdefault("report_time", time)
    if "status" not in node.items:
        statuses = {one.items.get("status") for one in node.values("result") if isinstance(one, Node)}
        for status in ("corrected", "preliminary", "registered", "final", "cancelled"):
            if statuses and (status in statuses if status in ("corrected", "preliminary") else statuses == {status}):
                node.put("status", status)
                break
    if "issued" not in node.items and node.items.get("status") in ("final", "corrected", "amended") and segment:
        issued = convert(segment.value(22), "instant", draft.zone)
        if issued:
            node.put("issued", issued)


# ------------------------------------------------------------------------------------------------ appointments
def _appointment(draft: Draft, node: Node, tables: Tables) -> None:
    event = tables.code("Event[AppointmentStatus]", draft.event)
    if event and (draft.event in ("S15", "S16", "S17", "S26") or "status" not in node.items):
        node.put("status", event[0])
    patient = next(iter(draft.of("Patient")), None)
    participants = node.items.setdefault("participant", {})
    if patient is not None:
        element = Element("Appointment.participant")
        element.put("actor", patient)
        participants["patient"] = element
    for one, element in list(participants.items()):
        actor = element.items.get("actor")
        if not element.values("type") and (actor is None or not _refers(actor)):
            del participants[one]
            continue
        element.items.setdefault("status", "accepted")
    start, minutes = node.items.get("start"), node.items.get("minutesDuration")
    if start and "end" not in node.items and minutes:
        end = datetime.fromisoformat(start.replace("Z", "+00:00")) + timedelta(minutes=int(minutes))
        node.put("end", end.isoformat().replace("+00:00", "Z" if start.endswith("Z") else "+00:00"))
    if not participants:
        draft.issues.append("The appointment has no participant.")
        draft.nodes.remove(node)


# ------------------------------------------------------------------------------------------------ documents
def _document_reference(draft: Draft, node: Node, tables: Tables) -> None:
    event = draft.event
    segment: Segment | None = node.notes.get("segments", {}).get("TXA")
    if found := tables.code("Event[DocumentStatus]", event):
        node.put("status", found[0])
    parent = segment.repetitions(13)[:1] if segment else []
    if parent and event in ("T05", "T06", "T09", "T10"):
        node.notes["relates"] = ("appends" if event in ("T05", "T06") else "replaces", parent[0])
    texts = []
    for one in draft.message.segments:
        if one.name == "OBX" and one.value(2) in ("TX", "FT", "ST"):
            texts.extend(part(value) for value in one.repetitions(5))
        elif one.name == "OBX" and one.value(2) in ("ED", "RP"):
            _document(draft, _carrier(one), one, one.value(2))
    if texts and any(texts):
        attachment = Element("Attachment")
        attachment.items = {"contentType": "text/plain", "data": base64.b64encode("\n".join(texts).encode()).decode()}
        content = Element("DocumentReference.content")
        content.put("attachment", attachment)
        node.put("content", content, True, "text")
    for content in node.values("content"):
        if not isinstance(content, Element) or "attachment" not in content.items:
            node.items.pop("content", None)
            break
    if "content" not in node.items:  # R4 asks for one
        attachment = Element("Attachment")
        attachment.put("title", "The message carries no content.")
        content = Element("DocumentReference.content")
        content.put("attachment", attachment)
        node.put("content", content, True, "none")


def _carrier(segment: Segment) -> Node:
    carrier = Node("Observation", source=segment)
    carrier.notes["segments"] = {"OBX": segment}
    return carrier


# ------------------------------------------------------------------------------------------------ others
def _condition(draft: Draft, node: Node, tables: Tables) -> None:
    if draft.event == "PC3":
        verification = Element("CodeableConcept")
        coding = Element("Coding")
        coding.items = {
            "system": "http://terminology.hl7.org/CodeSystem/condition-ver-status",
            "code": "entered-in-error",
        }
        verification.put("coding", coding, True)
        node.put("verificationStatus", verification)
    if "verificationStatus" in node.items:
        for name in _choices(node, "abatement"):  # con-4 and con-5: what was entered in error was never abated
            del node.items[name]
    if _choices(node, "abatement") and "clinicalStatus" not in node.items and "verificationStatus" not in node.items:
        status = Element("CodeableConcept")  # con-4: what is abated is not active
        coding = Element("Coding")
        coding.items = {"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "resolved"}
        status.put("coding", coding, True)
        node.put("clinicalStatus", status)


def _allergy(draft: Draft, node: Node, tables: Tables) -> None:
    if "verificationStatus" in node.items:  # ait-2: what was entered in error has no clinical status
        node.items.pop("clinicalStatus", None)
    reactions = node.items.get("reaction")
    if isinstance(reactions, dict):
        for one, reaction in list(reactions.items()):
            if not reaction.values("manifestation"):
                del reactions[one]


def _coverage(draft: Draft, node: Node, tables: Tables) -> None:
    payors = node.items.get("payor")
    if not isinstance(payors, dict) or not any(_refers(one) for one in payors.values()):
        unknown = Element("Reference")
        unknown.put("display", "not stated")
        node.items["payor"] = {"unknown": unknown}
    classes = node.items.get("class")
    if isinstance(classes, dict):
        for one, element in list(classes.items()):
            if "value" not in element.items:
                del classes[one]
    patient = next(iter(draft.of("Patient")), None)
    segment: Segment | None = node.notes.get("segments", {}).get("IN1")
    if patient is not None and segment and segment.value(17).upper() in ("SEL", "18", "SELF", "PATIENT"):
        node.put("subscriber", patient)


def _service(draft: Draft, node: Node, tables: Tables) -> None:
    if draft.event == "I14":
        node.put("status", "revoked")


def _immunization(draft: Draft, node: Node, tables: Tables) -> None:
    if not _stated(node, "occurrence"):
        node.put("occurrenceString", "unknown")
    for performer in node.values("performer"):
        if isinstance(performer, Element) and not (
            isinstance(performer.get("actor"), Node) and performer.get("actor").items
        ):
            node.items["performer"] = {
                one: value
                for one, value in node.items["performer"].items()
                if isinstance(value.get("actor"), Node) and value.get("actor").items
            }
            break
    quantity = node.items.get("doseQuantity")
    if isinstance(quantity, Element) and "value" not in quantity.items:
        del node.items["doseQuantity"]


def _administration(draft: Draft, node: Node, tables: Tables) -> None:
    if not _stated(node, "effective"):
        if not draft.sent:
            draft.issues.append("ERROR RXA-3 is required: neither it nor MSH-7 tells when the medicine was given.")
            return
        node.put("effectiveDateTime", draft.sent)
    dosage = node.items.get("dosage")
    if isinstance(dosage, Element):
        dose = dosage.items.get("dose")
        if isinstance(dose, Element) and "value" not in dose.items:
            del dosage.items["dose"]
        if not any(name in dosage.items for name in ("dose", "rateRatio", "rateQuantity")):
            del node.items["dosage"]  # mad-1: a dosage has a dose or a rate


def _procedure(draft: Draft, node: Node, tables: Tables) -> None:
    performers = node.items.get("performer")
    if isinstance(performers, dict):
        for one, performer in list(performers.items()):
            actor = performer.items.get("actor")
            if actor is None or not _refers(actor):
                del performers[one]


def _provenance(draft: Draft, node: Node, tables: Tables) -> None:
    agents = node.items.get("agent")
    if isinstance(agents, dict):
        for one, agent in list(agents.items()):
            if not _refers(agent.items.get("who")) or "who" not in agent.items:
                del agents[one]


_FINISHERS: dict[str, Callable[[Draft, Node, Tables], None]] = {
    "DiagnosticReport": _report,
    "Patient": _patient,
    "Encounter": _encounter,
    "Observation": _observation,
    "Appointment": _appointment,
    "DocumentReference": _document_reference,
    "Condition": _condition,
    "AllergyIntolerance": _allergy,
    "Coverage": _coverage,
    "ServiceRequest": _service,
    "Immunization": _immunization,
    "MedicationAdministration": _administration,
    "Procedure": _procedure,
    "Provenance": _provenance,
}
