"""What a SearchParameter must be in itself (https://hl7.org/fhir/R4/searchparameter.html)."""

from __future__ import annotations

from typing import Any

from profiles.conformance.context import Context
from profiles.definitional.reading import expression_problems, objects_of
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems

Json = dict[str, Any]


def search_parameter_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """An expression that can't be read, and a composite parameter that has nothing to combine."""
    found = expression_problems(resource.get("expression"), ".expression", registry)
    components = objects_of(resource.get("component"))
    for position, component in enumerate(components):
        found += expression_problems(component.get("expression"), f".component[{position}].expression", registry)
    if resource.get("type") == "composite" and len(components) < 2:
        text = f"a composite parameter combines two or more others: {len(components) or 'no'} component is there"
        found.append(Problem("composite-components", "business-rule", text, ".component"))
    return found
