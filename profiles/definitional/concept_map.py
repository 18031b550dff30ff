"""What a ConceptMap must be in itself (https://hl7.org/fhir/R4/conceptmap.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profiles.conformance.context import Context, Surroundings
from profiles.definitional.reading import objects_of
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]

MAPPED = {"source": "error", "target": "warning"}  # what is mapped is in the source set; the target set is its context


def concept_map_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """Codes that are not in the value set that is mapped from or to, or none of their code systems."""
    sets = {side: resource.get(f"{side}Canonical", resource.get(f"{side}Uri")) for side in MAPPED}
    found: Problems = []
    for number, group in enumerate(objects_of(resource.get("group"))):
        for path, side, code in _codes(group):
            system, value_set = group.get(side), sets[side]
            if isinstance(system, str):
                found += _code(system, code, value_set, side, f".group[{number}]{path}.code", context.shared)
    return found


def _codes(group: Json) -> Iterator[tuple[str, str, str]]:
    """(path, "source" or "target", code) of all that a group maps."""
    for position, element in enumerate(objects_of(group.get("element"))):
        if isinstance(element.get("code"), str):
            yield f".element[{position}]", "source", element["code"]
        for at, target in enumerate(objects_of(element.get("target"))):
            if isinstance(target.get("code"), str):
                yield f".element[{position}].target[{at}]", "target", target["code"]


def _code(system: str, code: str, value_set: Any, side: str, path: str, shared: Surroundings) -> Problems:
    if isinstance(value_set, str) and shared.member_of(value_set, system, code) is False:
        text = f"{shown(code)} of {system} is not in {value_set}, the {side} of this map"
        return [Problem("concept-map-code", "code-invalid", text, path, MAPPED[side])]
    reason = shared.unknown_code(system, code)
    return [Problem("code-unknown", "code-invalid", reason, path, "warning")] if reason else []
