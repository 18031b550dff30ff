"""PL as Locations: one for each level that is stated, each part of the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Node
from mappings.hl7v2.source import Value, component, is_empty, is_null, part
from mappings.hl7v2.tables import Map

if TYPE_CHECKING:
    from mappings.hl7v2.putting import Putter

# Locations from the most granular to the least, by the labels of HL7's PL[Location]: bed, room, floor, point of care,
# building, facility.
GRANULARITY = ("1", "2", "3", "4", "5", "6")


def locations(applier: Putter, mapping: Map, map_name: str, value: Value, context: Context, shown: str) -> Node | None:
    """PL: a location for each level that is stated, each part of the next; the most granular is the answer."""
    nodes: dict[str, Node] = {}

    def node_of(label: str) -> Node:
        if label not in nodes:
            nodes[label] = Node("Location", source=context.segment)
        return nodes[label]

    outer, context.inner = context.inner, value
    try:
        for number, rules in mapping.by_field.items():
            inner = component(value, number)
            if is_empty(inner) or is_null(inner):
                continue
            for rule in rules:
                if rule.condition is not None and not rule.condition(context):
                    continue
                labels = list(nodes) if "-" in rule.target.own else [rule.target.own or "1"]
                if rule.target.type == "Reference" and rule.target.steps[-1].name == "partOf":
                    continue
                for label in labels:
                    if number >= 9 and label not in nodes:
                        continue
                    node = node_of(label)
                    applier.put(rule, node, node, inner, context, (map_name, 1, 1), f"{shown}.{number}")
    finally:
        context.inner = outer
    chain = [nodes[label] for label in GRANULARITY if label in nodes]
    names = {label: part(value, number) for label, number in zip("123456", (3, 2, 8, 1, 7, 4), strict=True)}
    for index, label in enumerate(label for label in GRANULARITY if label in nodes):
        node = nodes[label]
        node.notes["place"] = [names[other] for other in GRANULARITY[GRANULARITY.index(label) :] if names[other]]
        if index + 1 < len(chain):
            node.put("partOf", chain[index + 1])
    applier.made.extend(chain)
    return chain[0] if chain else None
