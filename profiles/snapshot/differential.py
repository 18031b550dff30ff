"""Applies a differential to the tree of the base: snapshot generation (https://hl7.org/fhir/R4/profiling.html#snapshot)."""

from __future__ import annotations

from typing import Any, NamedTuple

from profiles.snapshot.tree import Node, merge

Json = dict[str, Any]

TYPE_SLICING = {"discriminator": [{"type": "type", "path": "$this"}], "ordered": False, "rules": "open"}
URL_SLICING = {"discriminator": [{"type": "value", "path": "url"}], "ordered": False, "rules": "open"}
EXTENSIONS = ("extension", "modifierExtension")


class Segment(NamedTuple):
    """One step of an element's place: its name and, where it is in a slice, the slice's name."""

    name: str
    slice: str


def apply(root: Node, elements: list[Json]) -> Node:
    """The base's tree, changed by a differential's elements. ValueError, with the reason, where they do not fit."""
    places: dict[str, list[Segment]] = {}
    for element in elements:
        path: str = element["path"]
        segments = _segments(element, places)
        for known in [known for known in places if known.startswith(path + ".")]:
            del places[known]
        places[path] = segments
        parent = _find(root, segments[1:-1])
        node = _find(parent, segments[-1:]) if len(segments) > 1 else root
        _constrain(node, element, path)
        if node.name != segments[-1].name and "sliceName" not in element:
            in_slice = any(segment.slice for segment in segments)
            _narrow(parent.expanded()[node.name], node, in_slice or root.name == "Extension")
    return root


def _narrow(choice: Node, named: Node, always: bool) -> None:
    """valueQuantity takes the other types of value[x] away where it is required, in a slice, and in an extension."""
    least = max(choice.element.get("min", 0), named.element["min"])
    if least > 0 or always:
        slicing = {**choice.element["slicing"], "rules": "closed"}
        choice.element = {**choice.element, "min": least, "type": named.types(), "slicing": slicing}


def _segments(element: Json, places: dict[str, list[Segment]]) -> list[Segment]:
    """An element's place: by its id where that has the same parts as its path, else by what came before it."""
    parts = element["path"].split(".")
    identified = element.get("id", "").split(".")
    if len(identified) == len(parts) and "id" in element:
        return [Segment(part, each.partition(":")[2]) for part, each in zip(parts, identified, strict=True)]
    for length in range(len(parts) - 1, 0, -1):
        nearest = places.get(".".join(parts[:length]))
        if nearest is not None:
            between = [Segment(part, "") for part in parts[length:-1]]
            return [*nearest, *between, Segment(parts[-1], element.get("sliceName", ""))]
    return [*(Segment(part, "") for part in parts[:-1]), Segment(parts[-1], element.get("sliceName", ""))]


def _find(root: Node, segments: list[Segment]) -> Node:
    node = root
    for name, slice_name in segments:
        node = _child(node, name)
        if slice_name and node.element.get("sliceName") != slice_name:
            if "slicing" not in node.element:
                _slice_by_default(node, slice_name)
            node = node.slice(slice_name)
    return node


def _slice_by_default(node: Node, slice_name: str) -> None:
    if node.name in EXTENSIONS:
        node.element["slicing"] = URL_SLICING
    elif node.name.endswith("[x]"):
        node.element["slicing"] = TYPE_SLICING
        node.slice(slice_name).element["type"] = _named_types(node, slice_name) or node.types()


def _child(node: Node, name: str) -> Node:
    children = node.expanded()
    found = children.get(name)
    if found is not None:
        return found
    for choice in children.values():  # valueQuantity: the slice of value[x] that has this type
        if choice.name.endswith("[x]") and name.startswith(choice.name[:-3]):
            narrowed = _named_types(choice, name)
            if narrowed:
                choice.element.setdefault("slicing", TYPE_SLICING)
                found = choice.slice(name)
                found.element["type"] = narrowed
                return found
    raise ValueError(f"{node.name} has no element {name}")


def _named_types(choice: Node, name: str) -> list[Json]:
    suffix = name.removeprefix(choice.name[:-3])
    return [entry for entry in choice.types() if entry["code"][:1].upper() + entry["code"][1:] == suffix]


def _constrain(node: Node, element: Json, path: str) -> None:
    base = node.element
    if "min" in element and element["min"] < base.get("min", 0) and "sliceName" not in base:
        raise ValueError(f"{path} has min {element['min']}, less than the {base['min']} of its base")
    if "max" in element and _maximum(element["max"]) > _maximum(base.get("max", "*")):
        raise ValueError(f"{path} has max {element['max']}, more than the {base['max']} of its base")
    before = node.types()
    node.element = merge(base, element)
    if "type" in element and before:
        paths = {entry["code"]: entry["path"] for entry in before if "path" in entry}
        node.element["type"] = [
            {**entry, "path": paths[entry["code"]]} if entry.get("code") in paths else entry
            for entry in element["type"]
        ]


def _maximum(value: str) -> float:
    return float("inf") if value == "*" else int(value)
