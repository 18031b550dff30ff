"""The paths of discriminators: names, resolve(), extension(url), ofType(type) and $this, on values and on profiles.

https://hl7.org/fhir/R4/profiling.html#discriminator
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from fhir_server.definitions import Definitions, Element
from profiles.conformance.context import Context
from profiles.snapshot import Node, Registry

Value = tuple[Any, str]  # a value and its FHIR type

_STEP = re.compile(
    r"(?P<this>\$this)|(?P<function>resolve|extension|ofType|as)\(\s*'?(?P<argument>[^')]*)'?\s*\)"
    r"|(?P<name>[A-Za-z][A-Za-z0-9]*)(?:\[x\])?"
)


class Step(NamedTuple):
    """One step: kind is name | resolve | extension | ofType; argument is the name, url or type."""

    kind: str
    argument: str


def parse(path: str) -> tuple[Step, ...]:
    """The steps of a discriminator's path. ValueError where it is more than R4 allows."""
    steps = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None or (match.end() < len(path) and path[match.end()] != "."):
            raise ValueError(f"the discriminator path {path!r} is not understood")
        if match["name"]:
            steps.append(Step("name", match["name"]))
        elif match["function"]:
            steps.append(Step(match["function"].replace("as", "ofType"), match["argument"]))
        position = match.end() + 1
    return tuple(steps)


def element_of(definitions: Definitions, type_name: str, name: str) -> Element | None:
    """The element of a type by its FHIRPath name."""
    definition = definitions.types.get(type_name)
    return next((e for e in definition.elements if e.name == name), None) if definition else None


def children(definitions: Definitions, value: Any, type_name: str, name: str) -> Iterator[Value]:
    """The values of an element of a value."""
    if not isinstance(value, dict):
        return
    if type_name in ("Resource", "DomainResource"):
        type_name = value.get("resourceType", type_name)
    element = element_of(definitions, type_name, name)
    if element is None:
        return
    for reference in element.types if element.choice else element.types[:1]:
        found = value.get(element.property_name(reference.code))
        if isinstance(found, list):
            yield from ((item, reference.code) for item in found if item is not None)
        elif found is not None:
            yield found, reference.code


def select(steps: tuple[Step, ...], value: Any, type_name: str, context: Context) -> list[Value]:
    """The values that a path leads to."""
    found: list[Value] = [(value, type_name)]
    for kind, argument in steps:
        following: list[Value] = []
        for item, code in found:
            if kind == "name":
                following.extend(children(context.shared.definitions, item, code, argument))
            elif kind == "extension":
                inner = children(context.shared.definitions, item, code, "extension")
                following.extend(each for each in inner if each[0].get("url") == argument)
            elif kind == "ofType":
                if argument in (code, item.get("resourceType") if isinstance(item, dict) else None):
                    following.append((item, code))
            else:
                target, _ = context.target(item) if isinstance(item, dict) else (None, "")
                if target is not None:
                    following.append((target, "Resource"))
        found = following
    return found


def nodes(steps: tuple[Step, ...], node: Node, registry: Registry) -> list[Node]:
    """The nodes of a profile that speak of what a path leads to."""
    found = [node]
    for kind, argument in steps:
        following: list[Node] = []
        for each in found:
            if kind == "name":
                child = each.expanded().get(argument) or each.expanded().get(argument + "[x]")
                following.extend([child, *child.slices.values()] if child else [])
            elif kind == "extension":
                child = each.expanded().get("extension")
                following.extend(s for s in (child.slices.values() if child else ()) if extension_url(s) == argument)
            elif kind == "ofType":
                following.append(each)
            else:
                for profile in target_profiles(each):
                    tree = registry.tree(profile)
                    following.extend([tree] if tree else [])
        found = following
    return found


def extension_url(node: Node) -> str:
    """The url of the extensions that a slice speaks of, "" where it does not say."""
    for entry in node.types():
        for profile in entry.get("profile", ()):
            return profile.partition("|")[0]
    url = (node.children or {}).get("url")
    return url.element.get("fixedUri", "") if url else ""


def target_profiles(node: Node) -> list[str]:
    """The profiles on the targets of a reference or canonical."""
    return [profile for entry in node.types() for profile in entry.get("targetProfile", ())]


def type_profiles(node: Node) -> list[str]:
    """The profiles on the types of an element."""
    return [profile for entry in node.types() for profile in entry.get("profile", ())]
