"""What a SearchParameter must be in itself (https://hl7.org/fhir/R4/searchparameter.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.definitions.compile import compile_search_parameter
from fhir_server.definitions.expressions import root_of, split_union
from fhir_server.fhirpath import FhirPathError, compile_path
from profiles.conformance.context import Context
from profiles.definitional.reading import expression_problems, objects_of
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems, listed

Json = dict[str, Any]


def search_parameter_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """Expressions that can't be read, or start at none of the base types; a composite parameter that has nothing to
    combine; what differs from the parameter that it is derived from.
    """
    found = expression_problems(resource.get("expression"), ".expression", registry)
    components = objects_of(resource.get("component"))
    for position, component in enumerate(components):
        found += expression_problems(component.get("expression"), f".component[{position}].expression", registry)
    if resource.get("type") == "composite" and len(components) < 2:
        text = f"a composite parameter combines two or more others: {len(components) or 'no'} component is there"
        found.append(Problem("composite-components", "business-rule", text, ".component"))
    if isinstance(resource.get("expression"), str) and not found:
        found += _bases(resource, registry)
    return found + _derived(resource, registry)


def _bases(resource: Json, registry: Registry) -> Problems:
    """Base types of which the expression, which begins with types, has none; parts with what a type does not have."""
    found: Problems = []
    expression: str = resource["expression"]
    named = all(registry.definitions.is_resource(root_of(part)) for part in split_union(expression))
    branches = compile_search_parameter({"url": "", "code": "", "type": "", **resource, "component": []}).branches
    for position, base in enumerate(resource.get("base", ())):
        if named and base not in branches and str(base) not in expression:
            text = f"no part of the expression starts at {base}, so nothing of it can be found"
            found.append(Problem("search-parameter-base", "business-rule", text, f".base[{position}]"))
        for branch in branches.get(base, ()):
            found += _used_on(str(base), branch, registry)
    return found


def _used_on(base: str, branch: str, registry: Registry) -> Problems:
    """What keeps a part of an expression from being used on a base type; a warning for elements that it has not."""
    said = f"the expression can't be used on {base}: "
    try:
        path = compile_path(branch, registry.definitions, base)
    except FhirPathError as failure:
        return [Problem("fhirpath", "invalid", said + str(failure), ".expression")]
    if "|" in branch:  # a union within may name other base types
        return []
    return [Problem("fhirpath", "invalid", f"{said}{each}", ".expression", "warning") for each in path.warnings]


def _derived(resource: Json, registry: Registry) -> Problems:
    """A derived parameter is consistent with the one that it comes from: of the same type, for its base types only."""
    canonical = resource.get("derivedFrom")
    origin = type_and_base(canonical, registry)
    if origin is None:
        return []
    found: Problems = []
    kind, bases = origin
    if resource.get("type") != kind:
        text = f"{canonical}, which this is derived from, has the type {kind}, not {resource.get('type')}"
        found.append(Problem("search-parameter-type", "business-rule", text, ".type"))
    for position, base in enumerate(resource.get("base", ())):
        if isinstance(base, str) and not set(registry.definitions.ancestors(base)) & set(bases):
            text = f"{canonical}, which this is derived from, is for {listed(bases)}, not for {base}"
            found.append(Problem("search-parameter-base", "business-rule", text, f".base[{position}]"))
    return found


def type_and_base(canonical: Any, registry: Registry) -> tuple[str, tuple[str, ...]] | None:
    """(type, base types) of a search parameter of the sources or of R4; None where it is not known."""
    if not isinstance(canonical, str):
        return None
    found = registry.find("SearchParameter", canonical)
    if found is not None:
        return str(found.get("type")), tuple(found.get("base", ()))
    own = registry.definitions.official.search_parameter(canonical.partition("|")[0])
    return None if own is None else (own.type, own.base)
