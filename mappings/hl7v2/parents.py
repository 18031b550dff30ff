"""Results of a result: OBR-26 names it by code and sub-identifier, OBR-29 (or ORC-8) its order (HL7 v2.9, 4.5.3.26).

So a susceptibility tells of which organism it is: Observation.derivedFrom. HL7's tables leave the two fields open.
"""

from __future__ import annotations

from mappings.hl7v2.drafting import Draft
from mappings.hl7v2.elements import Node
from mappings.hl7v2.identifiers import identity_of, key
from mappings.hl7v2.namer import Namer
from mappings.hl7v2.source import Segment, Value, part
from mappings.hl7v2.tables import Tables


def find_parents(draft: Draft, namer: Namer, tables: Tables) -> None:
    """Links the results of each report to the result that it names; one that the message does not have is noted by its
    identity ("parent"), to be looked for in the store."""
    reports = [node for node in draft.of("DiagnosticReport") if "OBR" in node.segments]
    if not any(node.segments["OBR"].value(26) or node.segments["OBR"].value(26, 1, 2) for node in reports):
        return
    own = [(node, set(_own_numbers(node, namer, tables))) for node in reports]
    for report in reports:
        segment: Segment = report.segments["OBR"]
        named = next(iter(segment.repetitions(26)), None)
        if not named or not (part(named) or part(named, 1, 2)):
            continue
        numbers = _parent_numbers(report, namer, tables)
        orders = sorted(own, key=lambda one: -len(one[1].intersection(numbers)))  # those with most of the numbers first
        of_orders = (_named(order, named) for order, theirs in orders if theirs.intersection(numbers))
        parent = next((one for one in of_orders if one is not None), None)
        for result in _results(report):
            if parent is not None and parent is not result:
                result.put("derivedFrom", parent, True, "parent")
            elif parent is None and numbers:
                code = f"{part(named, 1, 3)}#{part(named) or part(named, 1, 2)}"
                result.notes["parent"] = key("Observation", numbers[0], code, part(named, 2))


def _results(report: Node) -> list[Node]:
    found = [one for one in report.values("result") if isinstance(one, Node)]
    return [one.notes.get("same", one) for one in found]


def _named(order: Node, named: Value) -> Node | None:
    """The result of an order with the code and the sub-identifier of a PRL; the only one of the code, where it has no
    sub-identifier that says more."""
    code, sub = part(named) or part(named, 1, 2), part(named, 2)
    of_code = [
        one
        for one in _results(order)
        if "OBX" in one.segments and code in (one.segments["OBX"].value(3), one.segments["OBX"].value(3, 1, 2))
    ]
    exact = [one for one in of_code if one.segments["OBX"].value(4) == sub]
    return exact[0] if exact else of_code[0] if len(of_code) == 1 and not sub else None


def _own_numbers(report: Node, namer: Namer, tables: Tables) -> list[str]:
    """The filler and placer numbers of a report's order."""
    segment: Segment = report.segments["OBR"]
    return [
        number
        for field in (3, 2)
        for value in segment.repetitions(field)[:1]
        if (number := _text(value, namer, tables))
    ]


def _parent_numbers(report: Node, namer: Namer, tables: Tables) -> list[str]:
    """The filler and placer numbers of the order that a report follows, those that are stated."""
    common: Segment | None = report.segments.get("ORC")
    stated = report.segments["OBR"].repetitions(29)[:1] or (common.repetitions(8)[:1] if common else [])
    pair = [[[sub] for sub in value[at]] for value in stated for at in (1, 0) if at < len(value)]
    return [number for value in pair if (number := _text(value, namer, tables))]


def _text(value: Value, namer: Namer, tables: Tables) -> str:
    found = identity_of(value, tables, namer.fallback, 2)
    return "#".join(found) if found else ""
