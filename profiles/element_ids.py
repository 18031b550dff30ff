"""Ids of elements, each of which is there once in a resource (https://hl7.org/fhir/R4/element.html#id)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]

# resources of their own; lists whose ids repeat one another's, of each of which R4 has an invariant (sdf-16, sdf-17)
APART = ("contained", "snapshot", "differential")


def element_id_problems(resource: Json) -> Problems:
    """An error for each element whose id another one before it has; those of resources within are not among them."""
    if not _repeated(resource):
        return []
    seen: set[str] = set()
    found: Problems = []
    for path, value in _ids(resource, ""):
        if value in seen:
            text = f"the id {shown(value)} is that of another element of this resource: give each its own"
            found.append(Problem("element-id", "duplicate", text, f"{path}.id"))
        seen.add(value)
    return found


def _repeated(resource: Json) -> bool:
    """Whether any id is there twice, which is told sooner without paths; few resources have any."""
    seen: set[str] = set()
    waiting = [resource]
    while waiting:
        for key, item in waiting.pop().items():
            kind = type(item)
            if (kind is not dict and kind is not list) or key in APART:
                continue
            for each in item if kind is list else (item,):
                if type(each) is dict and "resourceType" not in each:
                    waiting.append(each)
                    if "id" in each and type(each["id"]) is str:
                        if each["id"] in seen:
                            return True
                        seen.add(each["id"])
    return False


def _ids(value: Json, path: str) -> Iterator[tuple[str, str]]:
    """(path, id) of the elements in an object, "" for a resource, whose own id is no element's."""
    for key, item in value.items():
        kind = type(item)
        if (kind is not dict and kind is not list) or key in APART:
            continue
        name = key[1:] if key[0] == "_" else key
        for position, each in enumerate(item) if kind is list else ((-1, item),):
            if type(each) is dict and "resourceType" not in each:
                place = f"{path}.{name}[{position}]" if position >= 0 else f"{path}.{name}"
                if type(each.get("id")) is str:
                    yield place, each["id"]
                yield from _ids(each, place)
