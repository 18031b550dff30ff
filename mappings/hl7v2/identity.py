"""Who is who: the business identifiers by which a message's resources are found again.

An own identifier with its authority is best: PID-3, PV1-19, placer and filler numbers, SPM-2. Where v2 names a thing
only by what surrounds it (a result by its order, code and sub-identifier), an identifier is made of that, in a system
of ours; it is kept in the resource, so that a later message finds it. Nothing is told apart by its position.
"""

from __future__ import annotations

from mappings.hl7v2.charges import follow
from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Node
from mappings.hl7v2.identifiers import (
    DEPENDENT,
    Identity,
    identity_of,
    url_of,
)
from mappings.hl7v2.namer import Namer
from mappings.hl7v2.parents import find_parents
from mappings.hl7v2.tables import Tables

WITHOUT_PATIENT = ("A20",)  # events of ADT that are about no patient: a bed's status


def assign(draft: Draft, tables: Tables) -> None:
    """Gives each resource of a draft its identity and its URL; resources with one identity become one."""
    namer = Namer(draft, tables)
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
            if node.type in DEPENDENT and not node.used:
                node.contained = draft.contains = True
                node.url = f"{node.type.lower()}-{number}"
                continue
            if node.type == "Patient" and "PID" in node.segments:
                draft.issues.append("ERROR PID-3 is required: a patient without a number is not found again.")
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
    find_parents(draft, namer, tables)
    told = any(issue.startswith("ERROR PID is required") for issue in draft.issues)
    if draft.message.type == "ADT" and not told and draft.event not in WITHOUT_PATIENT and not draft.of("Patient"):
        draft.issues.append("ERROR PID is required: the message is about no patient.")


def _is_other_result(first: Node, second: Node) -> bool:
    """Whether two results of one identity are two results; lines of one text are one, joined here."""
    if first.type != "Observation" or "OBX" not in second.segments:
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
    if first.type == "ChargeItem":
        follow(first, second)
    for name, item in second.items.items():
        mine = first.items.get(name)
        if mine is None:
            first.items[name] = item
        elif isinstance(mine, dict) and isinstance(item, dict):
            for other, value in item.items():
                mine.setdefault(("absorbed", id(second), other) if other in mine else other, value)
    first.notes.setdefault("removals", []).extend(second.notes.get("removals", []))
