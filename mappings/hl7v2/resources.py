"""Drafted resources as FHIR JSON; what has no identity of its own is contained."""

from __future__ import annotations

import hashlib
from typing import Any

from mappings.hl7v2.elements import Element, Node, to_json
from mappings.hl7v2.merging import drop_unused, stems_of


def as_resource(node: Node, contains: bool = True) -> dict[str, Any]:
    """The resource as FHIR JSON; what has no identity of its own is contained in it. contains: whether any has none."""
    contained: dict[int, Node] = {}
    if contains:
        _collect(node, contained)
    inside: dict[str, dict[str, Any]] = {}
    for one in contained.values():
        content = to_json(one, node)
        digest = hashlib.sha256(_content(one).encode()).hexdigest()
        one.url = f"{one.type.lower()}-{digest[:12]}"  # of its content, so that the same is the same again
        if content:
            inside[one.url] = {"resourceType": one.type, "id": one.url, **content}
        else:
            one.url = ""
    body = to_json(node, node)
    _keep_one_choice(node.type, body)
    if "collection" in body and node.type == "Specimen":
        _keep_one_choice("Specimen.collection", body["collection"])
    if inside:
        body["contained"] = list(inside.values())
        drop_unused(body)
    return {"resourceType": node.type, **body}


def _keep_one_choice(type_name: str, body: dict[str, Any]) -> None:
    """Of effectiveDateTime and effectivePeriod the later is kept: it says more."""
    stems = stems_of(type_name)
    if len(body.keys() & stems.keys()) < 2:
        return
    chosen: dict[str, str] = {}
    for name in [name for name in body if name in stems]:
        before = chosen.get(stems[name])
        if before is not None:
            del body[before]
        chosen[stems[name]] = name


def _collect(element: Element, found: dict[int, Node]) -> None:
    for item in element.items.values():
        for value in item.values() if isinstance(item, dict) else (item,):
            if isinstance(value, Node):
                if value.contained and id(value) not in found:
                    _collect(value, found)  # what it contains comes before it
                    found[id(value)] = value
            elif isinstance(value, Element):
                _collect(value, found)


def _content(item: Any) -> str:
    """What is in an element as a text that does not depend on how resources are referred to."""
    if isinstance(item, Element):
        inside = ",".join(f"{name}:{_reference(value)}" for name, value in item.items.items())
        return f"{{{inside}}}"
    if isinstance(item, dict):
        return "[" + ",".join(_reference(value) for value in item.values()) + "]"
    return repr(item)


def _reference(item: Any) -> str:
    if isinstance(item, Node) and item.criteria:
        return f"{item.type}|{item.criteria[0]}"
    return _content(item)


def identities_of(resource: dict[str, Any]) -> list[tuple[Any, Any]]:
    """(system, value) of its identifiers."""
    stated = resource.get("identifier", [])
    stated = stated if isinstance(stated, list) else [stated]
    stated = [*stated, *([resource["masterIdentifier"]] if "masterIdentifier" in resource else [])]
    return [(one.get("system"), one.get("value")) for one in stated]
