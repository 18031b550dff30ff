"""What a CapabilityStatement must be in itself (https://hl7.org/fhir/R4/capabilitystatement.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profiles.conformance.context import Context
from profiles.definitional.reading import objects_of
from profiles.definitional.search_parameter import type_and_base
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems, listed, shown

Json = dict[str, Any]


def capability_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """Search parameters that are said to be of another type than their definition, or for a type that it is not for."""
    found: Problems = []
    for path, type_name, parameter in _parameters(resource):
        defined = type_and_base(parameter.get("definition"), registry)
        if defined is None:
            continue
        kind, bases = defined
        given = parameter.get("type")
        if isinstance(given, str) and given != kind:
            text = f"the definition {parameter['definition']} has the type {kind}, and this SHALL be the same"
            found.append(Problem("search-parameter-type", "value", text, f"{path}.type"))
        if type_name and not set(registry.definitions.ancestors(type_name)) & set(bases):
            text = f"{shown(parameter['definition'])} is a parameter of {listed(bases)}, not of {type_name}"
            found.append(Problem("search-parameter-base", "business-rule", text, f"{path}.definition"))
    return found


def _parameters(resource: Json) -> Iterator[tuple[str, str, Json]]:
    """(path, resource type or "" for all of them, searchParam) of each search parameter."""
    for position, rest in enumerate(objects_of(resource.get("rest"))):
        place = f".rest[{position}]"
        for at, parameter in enumerate(objects_of(rest.get("searchParam"))):
            yield f"{place}.searchParam[{at}]", "", parameter
        for number, each in enumerate(objects_of(rest.get("resource"))):
            for at, parameter in enumerate(objects_of(each.get("searchParam"))):
                yield f"{place}.resource[{number}].searchParam[{at}]", str(each.get("type", "")), parameter
