"""What a StructureDefinition must be in itself (https://hl7.org/fhir/R4/structuredefinition.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import FhirError
from profiles.conformance.context import Context
from profiles.definitional.reading import expression_problems, object_of, objects_of
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems

Json = dict[str, Any]


def structure_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """Constraints whose FHIRPath can't be read, and a differential that its base does not allow."""
    found: Problems = []
    for view in ("differential", "snapshot"):
        for position, element in enumerate(objects_of(object_of(resource.get(view)).get("element"))):
            for number, constraint in enumerate(objects_of(element.get("constraint"))):
                place = f".{view}.element[{position}].constraint[{number}].expression"
                found += expression_problems(constraint.get("expression"), place, registry)
    for position, expression in enumerate(resource.get("contextInvariant") or ()):
        found += expression_problems(expression, f".contextInvariant[{position}]", registry)
    if resource.get("derivation") == "constraint" and "differential" in resource:
        found += _differential(resource, registry)
    return found


def _differential(resource: Json, registry: Registry) -> Problems:
    base = resource.get("baseDefinition")
    if not isinstance(base, str) or resource.get("kind") == "logical":
        return []
    if registry.type_of(base) is None:
        text = f"the base {base} is not known here, so the differential was not checked: install its package"
        return [Problem("profile-base", "not-found", text, ".baseDefinition", "warning")]
    try:
        registry.tree(base)
    except FhirError as unusable:
        return [Problem("profile-base", "processing", str(unusable), ".baseDefinition", "warning")]
    try:
        registry.apply_differential(resource)
    except FhirError as refused:
        return [Problem("profile-differential", "business-rule", str(refused), ".differential")]
    return []
