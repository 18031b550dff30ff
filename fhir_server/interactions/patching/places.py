"""Places in a resource: an element by its path, read and written as (value, its `_name` object).

Both halves of a primitive move together, and nothing empty is written.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from fhir_server.definitions import Definitions

_STEP = re.compile(r"([A-Za-z]\w*)(?:\[(\d+)\])?\Z")

Pair = tuple[Any, Any]
"""A value and, of a primitive, the object with its id and extensions; None for what is missing."""


class Place(NamedTuple):
    """Where an element stands: in node under the JSON property, at index of an array or -1; owner: the node's type."""

    node: dict[str, Any]
    owner: str
    property: str
    index: int

    def pairs(self) -> list[Pair]:
        """What is there: all of the array, or the one element."""
        return read(self.node, self.property)


def read(node: dict[str, Any], property: str) -> list[Pair]:
    """The elements under a property, one pair for each."""
    values, extras = node.get(property), node.get("_" + property)
    if isinstance(values, list) or isinstance(extras, list):
        values, extras = values or [], extras or []
        count = max(len(values), len(extras))
        return [(values[i] if i < len(values) else None, extras[i] if i < len(extras) else None) for i in range(count)]
    return [] if values is None and extras is None else [(values, extras)]


def write(node: dict[str, Any], property: str, pairs: list[Pair], *, repeats: bool) -> None:
    """Puts the elements under a property; none removes it."""
    halves = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    for name, half in zip((property, "_" + property), halves, strict=True):
        if any(item is not None for item in half):
            node[name] = half if repeats else half[0]
        else:
            node.pop(name, None)


def locate(resource: dict[str, Any], path: str, definitions: Definitions) -> Place | None:
    """The place of a path like Patient.contact[0].name; None for the resource itself.

    KeyError or TypeError where it leads nowhere.
    """
    first, *steps = path.split(".")
    if first != resource.get("resourceType"):
        raise KeyError(path)
    node, owner, place = resource, first, None
    for step in steps:
        found = _STEP.match(step)
        if found is None:
            raise KeyError(path)
        if place is not None:
            node, owner = inside(place, definitions)
        index = int(found[2]) if found[2] else -1
        place = Place(node, owner, _property(node, owner, found[1], definitions), index)
    return place


def inside(place: Place, definitions: Definitions) -> tuple[dict[str, Any], str]:
    """The object at a place and its type; of a primitive the `_name` object, made where there is none.

    KeyError or TypeError where it is no element of R4.
    """
    found = definitions.properties(place.owner)[place.property]
    pairs = place.pairs()
    value, extra = pairs[max(place.index, 0)]
    if not found.primitive:
        code = value["resourceType"] if found.type.code == "Resource" else found.type.code
        if code not in definitions.types or not isinstance(value, dict):
            raise KeyError(code)
        return value, code
    if extra is None:
        extra = {}
        pairs[max(place.index, 0)] = (value, extra)
        write(place.node, place.property, pairs, repeats=found.element.repeats)
    return extra, "Element"


def _property(node: dict[str, Any], owner: str, name: str, definitions: Definitions) -> str:
    """The JSON property that an element has in this node: valueQuantity for value."""
    for property, (element, _, _) in definitions.properties(owner).items():
        if element.name == name and (property in node or "_" + property in node):
            return property
    raise KeyError(name)
