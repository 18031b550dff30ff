"""Who is who: the business identifiers by which a message's resources are found again.

An own identifier with its authority is best: PID-3, PV1-19, placer and filler numbers, SPM-2. Where v2 names a thing
only by what surrounds it (a result by its order, code and sub-identifier), an identifier is made of that, in a system
of ours; it is kept in the resource, so that a later message finds it. Nothing is told apart by its position.
"""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from mappings.hl7v2.context import Context
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.links import PATIENT
from mappings.hl7v2.primitives import AUTHORITY
from mappings.hl7v2.source import Segment, Value, part
from mappings.hl7v2.tables import Tables

KEY = "urn:x-hl7v2:key:"  # systems of identifiers that are made of what surrounds a thing
NAMESPACE = uuid.UUID("6f1d5a52-7f0e-5e7c-9a51-0c6a6f9a4b11")
# Without an identifier of their own these are part of the resource that refers to them.
DEPENDENT = ("Practitioner", "PractitionerRole", "Organization", "Device", "Location", "RelatedPerson", "Specimen",
             "MedicationRequest", "Medication", "Condition")  # fmt: skip
# Types without identifiers in R4; they are written under an id that is made of their identity.
BY_ID = ("Provenance", "Binary")
# Texts in which nothing, or nothing but #, is to be quoted.
_PLAIN_TOKEN = re.compile(r"[A-Za-z0-9_.~:/#-]*").fullmatch
_PLAIN_PART = re.compile(r"[A-Za-z0-9_.~:# -]*").fullmatch
Identity = tuple[str, str]


def assign(draft: Draft, tables: Tables) -> None:
    """Gives each resource of a draft its identity and its URL; resources with one identity become one."""
    namer = _Namer(draft, tables)
    order = {"Patient": 0, "Encounter": 1, "Account": 1, "Binary": 3}
    for node in sorted(draft.nodes, key=lambda one: order.get(one.type, 2)):
        namer.complete_identifiers(node)
        node.criteria = namer.criteria(node)
        if "relates" in node.notes:
            code, value = node.notes["relates"]
            node.notes["relates"] = code, identity_of(value, tables, namer.fallback, 2)
    seen: dict[tuple[str, Identity], Node] = {}
    kept: list[Node] = []
    for number, node in enumerate(draft.nodes):
        if not node.items:
            continue
        if not node.criteria:
            if node.type in DEPENDENT and not node.notes.get("used"):
                node.contained = draft.contains = True
                node.url = f"{node.type.lower()}-{number}"
                continue
            node.criteria = [namer.of_message(node, number)]
        first = seen.setdefault((node.type, node.criteria[0]), node)
        if first is not node and _is_other_result(first, node):
            first = namer.apart(node, seen)
        if first is not node:
            _absorb(first, node)
            node.notes["same"] = first
            continue
        node.url = url_of(node)
        kept.append(node)
    draft.nodes = kept


def url_of(node: Node) -> str:
    """The URL by which others of the transaction refer to it: the same for the same identity."""
    system, value = node.criteria[0]
    return f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{node.type}|{system}|{value}')}"


def authority_uri(tables: Tables, name: str) -> str:
    """The system of an authority known by its name only."""
    return tables.systems.get(name.upper()) or AUTHORITY + quote(name, safe="")


def identity_of(value: Value, tables: Tables, fallback: str, at: int = 4) -> Identity | None:
    """(system, value) of a CX (authority in component 4) or, with at=2, of an EI; None where there is no number."""
    number = part(value)
    if not number:
        return None
    if at == 2:
        name, universal, kind = part(value, 2), part(value, 3), part(value, 4)
    else:
        name, universal, kind = part(value, at), part(value, at, 2), part(value, at, 3)
    system = fallback
    if universal and kind.upper() == "ISO":
        system = f"urn:oid:{universal}"
    elif universal and kind.upper() in ("UUID", "GUID"):
        system = f"urn:uuid:{universal}"
    elif universal and kind.upper() in ("URI", "URL"):
        system = universal
    elif universal and kind.upper() == "DNS":
        system = f"urn:x-hl7v2:dns:{quote(universal, safe='.')}"
    elif name or universal:
        return authority_uri(tables, name or universal), number
    return tables.systems.get(name.upper(), system) if name else system, number


class _Namer:
    def __init__(self, draft: Draft, tables: Tables) -> None:
        self.draft = draft
        self.tables = tables
        self.counts: dict[str, int] = {}
        self.fallback = tables.systems.get("*") or authority_uri(tables, draft.facility or "unknown")

    def complete_identifiers(self, node: Node) -> None:
        """Systems for identifiers that state none: the sender's facility; names of authorities as their URIs."""
        for one in node.values("identifier") + node.values("masterIdentifier"):
            if not isinstance(one, Element) or not one.get("value"):
                continue
            system = one.get("system")
            if not system:
                one.put("system", self.fallback)
            elif system.startswith(AUTHORITY):
                one.put("system", self.tables.systems.get(system.removeprefix(AUTHORITY).upper(), system))

    def criteria(self, node: Node) -> list[Identity]:
        """What it is found by, the first first."""
        maker = _MAKERS.get(node.type, _own)
        found = maker(self, node)
        if found and found[0][0].startswith(KEY) and node.type not in BY_ID:
            self._keep(node, found[0])
        return found

    def apart(self, node: Node, seen: dict[tuple[str, Identity], Node]) -> Node:
        """The result itself, under an identity that counts those of one code and sub-identifier in the order."""
        system, value = node.criteria[0]
        number = self.counts[value] = self.counts.get(value, 1) + 1
        node.criteria = [(system, f"{value}:{number}")]
        self._keep(node, node.criteria[0])
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

    def visit_key(self, node: Node) -> str:
        """The identity of its visit, as a text."""
        visit = node.first("encounter")
        return "#".join(visit.criteria[0]) if isinstance(visit, Node) and visit.criteria else ""

    def order_key(self, node: Node) -> str:
        """The filler number of its order, else the placer number, with its authority."""
        around = node.notes.get("around")
        if not around:
            return ""
        context = Context(node.source, around, self.draft.neighbours)
        for name, field in (("OBR", 3), ("ORC", 3), ("OBR", 2), ("ORC", 2)):
            segment = node.source if node.source.name == name else context.neighbour(name)
            for value in segment.repetitions(field)[:1] if segment else ():
                found = identity_of(value, self.tables, self.fallback, 2)
                if found:
                    return "#".join(found)
        return ""

    @staticmethod
    def _keep(node: Node, identity: Identity) -> None:
        element = Element("Identifier")
        element.items = {"system": identity[0], "value": identity[1]}
        node.put("identifier", element, True, "key")


def token(text: str) -> str:
    """A part of a token in a search URL: FHIR's escapes, then the URL's."""
    if _PLAIN_TOKEN(text):
        return text.replace("#", "%23")
    return quote(re.sub(r"([\\,|$])", r"\\\1", text), safe=":/.-_")


def key(type_name: str, *parts: str) -> Identity:
    """An identity made of parts."""
    return KEY + type_name.lower(), "/".join([one if _PLAIN_PART(one) else quote(one, safe=":.-_~# ") for one in parts])


def own_identities(node: Node) -> list[Identity]:
    """The identifiers that it states, those of social insurance and the like last."""
    found = []
    for one in node.values("masterIdentifier") + node.values("identifier"):
        if isinstance(one, Element) and one.get("value") and one.get("system"):
            found.append((one.get("system"), one.get("value")))
    return found


def _own(namer: _Namer, node: Node) -> list[Identity]:
    return own_identities(node)


def _patient(namer: _Namer, node: Node) -> list[Identity]:
    segment: Segment | None = node.notes.get("segments", {}).get("PID")
    found: list[Identity] = []
    for field in (3, 2, 4) if segment else ():
        assert segment is not None
        for value in segment.repetitions(field):
            one = identity_of(value, namer.tables, namer.fallback)
            if one and one not in found and not (field != 3 and found):
                found.append(one)
    return found or own_identities(node)


def _encounter(namer: _Namer, node: Node) -> list[Identity]:
    segment: Segment | None = node.notes.get("segments", {}).get("PV1")
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
    return []


def _observation(namer: _Namer, node: Node) -> list[Identity]:
    segment = node.notes.get("segments", {}).get("OBX")
    if segment is None:
        return _of_patient("code")(namer, node)
    code = segment.value(3) or segment.value(3, 1, 4) or segment.value(3, 1, 2)
    system = segment.value(3, 1, 3) if segment.value(3) else segment.value(3, 1, 6)
    sub = ".".join(part(value, number) for value in segment.repetitions(4)[:1] for number in range(1, len(value) + 1))
    if not code:
        return []
    order = namer.order_key(node)
    if order:
        return [key("Observation", order, f"{system}#{code}", sub)]
    around = namer.patient_key(node)
    return (
        [key("Observation", around, namer.visit_key(node), f"{system}#{code}", sub, segment.value(14))]
        if around
        else []
    )


def _report(namer: _Namer, node: Node) -> list[Identity]:
    segment = node.notes.get("segments", {}).get("OBR")
    order = namer.order_key(node)
    if not order:
        return []
    return [key("DiagnosticReport", order, segment.value(4) or segment.value(4, 1, 2) if segment else "")]


def _specimen(namer: _Namer, node: Node) -> list[Identity]:
    own = own_identities(node)
    if own:
        return own
    order = namer.order_key(node)
    return [key("Specimen", order)] if order else []


def _given(*fields: tuple[str, int]) -> Callable[[_Namer, Node], list[Identity]]:
    def make(namer: _Namer, node: Node) -> list[Identity]:
        order = namer.order_key(node)
        segments = node.notes.get("segments", {})
        parts = [segments[name].value(field) if name in segments else "" for name, field in fields]
        if order or namer.patient_key(node):
            return [key(node.type, order or namer.patient_key(node), *parts)]
        return own_identities(node)

    return make


def _of_patient(*names: str) -> Callable[[_Namer, Node], list[Identity]]:
    def make(namer: _Namer, node: Node) -> list[Identity]:
        own = own_identities(node)
        if own:
            return own
        patient = namer.patient_key(node)
        parts = [_words(node.first(name)) for name in names]
        if not patient or not any(parts):
            return []
        return [key(node.type, patient, namer.visit_key(node), *parts)]

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


def _location(namer: _Namer, node: Node) -> list[Identity]:
    place = node.notes.get("place")
    if place:
        facility = namer.draft.facility
        return [key("Location", *reversed(place), *([facility] if len(place) < 2 else []))]
    return own_identities(node)


def _charge(namer: _Namer, node: Node) -> list[Identity]:
    segment = node.notes.get("segments", {}).get("FT1")
    number = segment.value(2) if segment else ""
    parts = [] if number or not segment else [segment.value(4), segment.value(7) or segment.value(25), segment.value(1)]
    return [key("ChargeItem", namer.patient_key(node), number, *parts)]


def _immunization(namer: _Namer, node: Node) -> list[Identity]:
    own = [one for one in own_identities(node) if one[1] != "9999"]
    if own:
        return own[::-1]
    segment = node.notes.get("segments", {}).get("RXA")
    patient = namer.patient_key(node)
    return [key("Immunization", patient, segment.value(5), segment.value(3))] if segment and patient else []


def _relative(namer: _Namer, node: Node) -> list[Identity]:
    patient = namer.patient_key(node)
    if not patient:
        return []
    return [key("RelatedPerson", patient, _words(node.first("relationship")), _words(node.first("name")) or
                "#".join(next(iter(own_identities(node)), ("", ""))))]  # fmt: skip


def _binary(namer: _Namer, node: Node) -> list[Identity]:
    holder: Node = node.notes["content_of"]
    segment = node.source
    name = holder.criteria[0][1] if holder.criteria else key("", namer.draft.header.value(10), segment.value(1))[1]
    content = hashlib.sha256(str(node.get("data")).encode()).hexdigest()
    return [(KEY + "binary", f"{name}:{node.notes['number']}:{content}")]  # other content is another Binary


def _none(namer: _Namer, node: Node) -> list[Identity]:
    return []


_MAKERS: dict[str, Callable[[_Namer, Node], list[Identity]]] = {
    "Patient": _patient,
    "Encounter": _encounter,
    "Observation": _observation,
    "DiagnosticReport": _report,
    "Specimen": _specimen,
    "MedicationDispense": _given(("RXD", 1), ("RXD", 7)),
    "MedicationAdministration": _given(("RXA", 1), ("RXA", 3), ("RXA", 5)),
    "AllergyIntolerance": _of_patient("code"),
    "Condition": _of_patient("code"),
    "Procedure": _of_patient("code", "performedDateTime"),
    "Coverage": _of_patient("subscriberId", "class", "payor"),
    "CareTeam": _of_patient("participant"),
    "Goal": _of_patient("description"),
    "RelatedPerson": _relative,
    "Location": _location,
    "CarePlan": _of_patient("category"),
    "Consent": _of_patient("category"),
    "ChargeItem": _charge,
    "Immunization": _immunization,
    "PractitionerRole": _none,
    "Binary": _binary,
    "Provenance": _none,
}


def _is_other_result(first: Node, second: Node) -> bool:
    """Whether two results of one identity are two results; lines of one text are one, joined here."""
    if first.type != "Observation" or "OBX" not in second.notes.get("segments", {}):
        return False
    mine, other = first.items.get("valueString"), second.items.get("valueString")
    if isinstance(mine, str) and isinstance(other, str):
        first.items["valueString"] = f"{mine}\n{other}"
        return False
    valued = [
        name for node in (first, second) for name in node.items if name.startswith("value") or name == "component"
    ]
    return len(valued) > 1


def _absorb(first: Node, second: Node) -> None:
    """What the second says of the same thing and the first does not."""
    for name, item in second.items.items():
        mine = first.items.get(name)
        if mine is None:
            first.items[name] = item
        elif isinstance(mine, dict) and isinstance(item, dict):
            for other, value in item.items():
                mine.setdefault(("absorbed", id(second), other) if other in mine else other, value)
    first.notes.setdefault("removals", []).extend(second.notes.get("removals", []))
