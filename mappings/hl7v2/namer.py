"""The identity of each type of resource: its own identifier, else what tells it from its like."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from mappings.hl7v2.context import Context
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.identifiers import (
    BY_ID,
    KEY,
    Identity,
    authority_uri,
    fallback_system,
    identity_of,
    is_uri,
    key,
    own_identities,
)
from mappings.hl7v2.links import PATIENT
from mappings.hl7v2.primitives import AUTHORITY
from mappings.hl7v2.source import Segment, part
from mappings.hl7v2.tables import Tables

NPI = "http://hl7.org/fhir/sid/us-npi"


class Namer:
    """Names the resources of a draft."""

    def __init__(self, draft: Draft, tables: Tables) -> None:
        self.draft = draft
        self.tables = tables
        self.counts: dict[str, int] = {}
        self.numbers: dict[tuple[int, int], str] = {}  # of orders, by segment and field, as texts
        self.fallback = fallback_system(tables, draft.facility)

    def complete_identifiers(self, node: Node) -> None:
        """Systems for identifiers that state none: the sender's facility; names of authorities as their URIs. Of a
        patient those without a number go."""
        stated = node.items.get("identifier")
        if stated is None and "masterIdentifier" not in node.items:
            return
        if node.type == "Patient" and isinstance(stated, dict):
            node.items["identifier"] = {at: one for at, one in stated.items() if one.get("value")}
        for one in node.values("identifier") + node.values("masterIdentifier"):
            if not isinstance(one, Element):
                continue
            system = one.get("system")
            if not system:
                if one.get("value"):
                    one.put("system", self.fallback)
            elif system.startswith(AUTHORITY):
                one.put("system", self.tables.systems.get(system.removeprefix(AUTHORITY).upper(), system))
            elif not is_uri(system):
                one.put("system", authority_uri(self.tables, system.removeprefix("urn:oid:").removeprefix("urn:uuid:")))
            elif system.startswith("urn:oid:"):
                one.put("system", self.tables.systems.get(system.removeprefix("urn:oid:"), system))

    def criteria(self, node: Node) -> list[Identity]:
        """What it is found by, the first first."""
        maker = _MAKERS.get(node.type, _own)
        found = maker(self, node)
        if found and found[0][0].startswith(KEY) and node.type not in BY_ID:
            self._keep(node, *found)
        return found

    def apart(self, node: Node, seen: dict[tuple[str, Identity], Node]) -> Node:
        """The result itself, under an identity that counts those of one code and sub-identifier in the order."""
        first = node.criteria[0][1]
        number = self.counts[first] = self.counts.get(first, 1) + 1
        node.criteria = [(system, f"{value}:{number}") for system, value in node.criteria]
        self._keep(node, *node.criteria)
        return seen.setdefault((node.type, node.criteria[0]), node)

    def of_message(self, node: Node, number: int) -> Identity:
        """An identity for what has none: the message's own, so that a second try makes no second resource."""
        header = self.draft.header
        identity = key(node.type, header.value(3), header.value(4), header.value(10), str(number))
        if node.type not in BY_ID:
            self._keep(node, identity)
        return identity

    def patient_key(self, node: Node) -> str:
        """The identity of its patient, as a text."""
        name = PATIENT.get(node.type, "subject")
        patient = node.first(name) if name else None
        return "#".join(patient.criteria[0]) if isinstance(patient, Node) and patient.criteria else ""

    def visit_key(self, node: Node, name: str = "encounter") -> str:
        """The identity of its visit, as a text; name: the element that refers to it."""
        visit = node.first(name)
        return "#".join(visit.criteria[0]) if isinstance(visit, Node) and visit.criteria else ""

    def order_key(self, node: Node) -> str:
        """The filler number of its order, else the placer number, with its authority."""
        around = node.around
        if not around:
            return ""
        source = node.source
        context = Context(source, around, self.draft.neighbours)
        for name, field in (("OBR", 3), ("ORC", 3), ("OBR", 2), ("ORC", 2)):
            segment = source if source.name == name else context.neighbour(name)
            if segment is None:
                continue
            number = self.numbers.get((id(segment), field))
            if number is None:
                number = self.numbers[id(segment), field] = self._number(segment, field)
            if number:
                return number
        return ""

    def service_key(self, node: Node) -> str:
        """What was ordered (OBR-4): many laboratories number all orders of an accession alike."""
        around = node.around
        segment = Context(node.source, around, self.draft.neighbours).neighbour("OBR") if around else None
        return (segment.value(4) or segment.value(4, 1, 2)) if segment else ""

    def _number(self, segment: Segment, field: int) -> str:
        for value in segment.repetitions(field)[:1]:
            found = identity_of(value, self.tables, self.fallback, 2)
            return "#".join(found) if found else ""
        return ""

    @staticmethod
    def _keep(node: Node, *identities: Identity) -> None:
        for number, (system, value) in enumerate(identities):
            element = Element("Identifier")
            element.items = {"system": system, "value": value}
            node.put("identifier", element, True, ("key", number))


def _own(namer: Namer, node: Node) -> list[Identity]:
    return own_identities(node)


def _patient(namer: Namer, node: Node) -> list[Identity]:
    segment: Segment | None = node.segments.get("PID")
    found: list[Identity] = []
    for field in (3, 2, 4) if segment else ():
        assert segment is not None
        for value in segment.repetitions(field):
            one = identity_of(value, namer.tables, namer.fallback)
            if one and one not in found and not (field != 3 and found):
                found.append(one)
    return found or own_identities(node)


def _encounter(namer: Namer, node: Node) -> list[Identity]:
    segment: Segment | None = node.segments.get("PV1")
    for field in (19, 50):
        for value in segment.repetitions(field) if segment else ():
            one = identity_of(value, namer.tables, namer.fallback)
            if one:
                return [one]
    patient = namer.patient_key(node)
    account = next((one.value(18) for one in namer.draft.message.segments if one.name == "PID"), "")
    admitted = segment.value(44) if segment else ""
    if patient and (account or admitted):
        return [key("Encounter", patient, account or admitted)]
    return [key("Encounter", patient, "", namer.draft.facility)] if patient else []  # the one that has no number


def _observation(namer: Namer, node: Node) -> list[Identity]:
    segment = node.segments.get("OBX")
    if segment is None:
        return _of_patient("code")(namer, node)
    code = segment.value(3)
    system = segment.value(3, 1, 3 if code else 6)
    code = code or segment.value(3, 1, 4) or segment.value(3, 1, 2)
    sub = ".".join([part(value, number) for value in segment.repetitions(4)[:1] for number in range(1, len(value) + 1)])
    if not code:
        return []
    given = node.first("partOf")  # a vaccination, of which many have the filler number 9999
    if isinstance(given, Node) and given.criteria:
        return [key("Observation", "#".join(given.criteria[0]), f"{system}#{code}", sub)]
    if order := namer.order_key(node):
        of_order = key("Observation", order, f"{system}#{code}", sub)
        service = namer.service_key(node)
        return [key("Observation", order, service, f"{system}#{code}", sub), of_order] if service else [of_order]
    around = namer.patient_key(node)
    return (
        [key("Observation", around, namer.visit_key(node), f"{system}#{code}", sub, segment.value(14))]
        if around
        else []
    )


def _report(namer: Namer, node: Node) -> list[Identity]:
    segment = node.segments.get("OBR")
    order = namer.order_key(node)
    if not order:
        return []
    return [key("DiagnosticReport", order, segment.value(4) or segment.value(4, 1, 2) if segment else "")]


def _specimen(namer: Namer, node: Node) -> list[Identity]:
    own = own_identities(node)
    if own:
        return own
    order = namer.order_key(node)
    return [key("Specimen", order)] if order else []


def _given(*fields: tuple[str, int]) -> Callable[[Namer, Node], list[Identity]]:
    def make(namer: Namer, node: Node) -> list[Identity]:
        order = namer.order_key(node)
        segments = node.segments
        parts = [segments[name].value(field) if name in segments else "" for name, field in fields]
        if order or namer.patient_key(node):
            return [key(node.type, order or namer.patient_key(node), *parts)]
        return own_identities(node)

    return make


def _of_patient(
    *names: str, beside: Callable[[Node], list[str]] = lambda _: []
) -> Callable[[Namer, Node], list[Identity]]:
    def make(namer: Namer, node: Node) -> list[Identity]:
        own = own_identities(node)
        if own:
            return own
        patient = namer.patient_key(node)
        parts = [_words(node.first(name)) for name in names]
        if not patient or not any(parts):
            return []
        return [key(node.type, patient, namer.visit_key(node), *parts, *beside(node))]

    return make


def _words(item: Any) -> str:
    """What tells an element from others: the first code, text or name in it."""
    if isinstance(item, Node):
        return "#".join(item.criteria[0]) if item.criteria else ""
    if not isinstance(item, Element):
        return "" if item is None else str(item)
    if item.type == "HumanName":
        return " ".join(str(one) for name in ("family", "given") for one in item.values(name))
    for name in ("coding", "code", "text", "value", "start", "display", "name", "type"):
        for one in item.values(name):
            if found := _words(one):
                return found
    return ""


def _location(namer: Namer, node: Node) -> list[Identity]:
    place = node.notes.get("place")
    if place:
        facility = namer.draft.facility
        return [key("Location", *reversed(place), *([facility] if len(place) < 2 else []))]
    return own_identities(node)


def _practitioner(namer: Namer, node: Node) -> list[Identity]:
    """Of whom a master file is about the staff's number and the national one: others, such as a tax number, may be a
    group's."""
    own = own_identities(node)
    if "STF" not in node.segments:
        return own
    stated = [identity_of(value, namer.tables, namer.fallback) for value in node.segments["STF"].repetitions(2)]
    return [one for one in own if one in stated or one[0] == NPI] or own


def _role(namer: Namer, node: Node) -> list[Identity]:
    """The role that a master file gives somebody in a group (PRA-2); other roles are part of what names them."""
    practitioner, segment = node.first("practitioner"), node.segments.get("PRA")
    if segment is None or not isinstance(practitioner, Node) or not practitioner.criteria:
        return []
    return [key("PractitionerRole", "#".join(practitioner.criteria[0]), segment.value(2) or segment.value(2, 1, 2))]


def _charge(namer: Namer, node: Node) -> list[Identity]:
    segment = node.segments.get("FT1")
    number = segment.value(2) if segment else ""
    parts: list[str] = []
    if segment and not number:
        code = segment.value(7) or segment.value(25)
        parts = [namer.visit_key(node, "context"), segment.value(4), code, segment.value(1)]
    return [key("ChargeItem", namer.patient_key(node), number, *parts)]


def _modifiers(node: Node) -> list[str]:
    """What tells the left side from the right one: the modifiers of a procedure (PR1-16)."""
    segment = node.segments.get("PR1")
    return [part(value) for value in segment.repetitions(16)] if segment else []


def _immunization(namer: Namer, node: Node) -> list[Identity]:
    own = [one for one in own_identities(node) if one[1] != "9999"]
    if own:
        return own[::-1]
    segment = node.segments.get("RXA")
    patient = namer.patient_key(node)
    return [key("Immunization", patient, segment.value(5), segment.value(3))] if segment and patient else []


def _relative(namer: Namer, node: Node) -> list[Identity]:
    patient = namer.patient_key(node)
    if not patient:
        return []
    return [key("RelatedPerson", patient, _words(node.first("relationship")), _words(node.first("name")) or
                "#".join(next(iter(own_identities(node)), ("", ""))))]  # fmt: skip


def _binary(namer: Namer, node: Node) -> list[Identity]:
    holder: Node = node.notes["content_of"]
    segment = node.source
    name = holder.criteria[0][1] if holder.criteria else key("", namer.draft.header.value(10), segment.value(1))[1]
    content = hashlib.sha256(str(node.get("data")).encode()).hexdigest()
    return [(KEY + "binary", f"{name}:{node.notes['number']}:{content}")]  # other content is another Binary


def _none(namer: Namer, node: Node) -> list[Identity]:
    return []


_MAKERS: dict[str, Callable[[Namer, Node], list[Identity]]] = {
    "Patient": _patient,
    "Encounter": _encounter,
    "Observation": _observation,
    "DiagnosticReport": _report,
    "Specimen": _specimen,
    "MedicationDispense": _given(("RXD", 1), ("RXD", 7)),
    "MedicationAdministration": _given(("RXA", 1), ("RXA", 3), ("RXA", 5)),
    "AllergyIntolerance": _of_patient("code"),
    "Condition": _of_patient("code"),
    "Procedure": _of_patient("code", "performedDateTime", beside=_modifiers),
    "Coverage": _of_patient("subscriberId", "class", "payor"),
    "CareTeam": _of_patient("participant"),
    "Goal": _of_patient("description"),
    "RelatedPerson": _relative,
    "Location": _location,
    "CarePlan": _of_patient("category"),
    "Consent": _of_patient("category"),
    "ChargeItem": _charge,
    "Immunization": _immunization,
    "Practitioner": _practitioner,
    "PractitionerRole": _role,
    "Binary": _binary,
    "Provenance": _none,
}
