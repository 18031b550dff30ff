"""What profiles, search parameters, terminology and capabilities must be in themselves, beyond their invariants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fhir_server.core.uris import is_absolute
from profiles.conformance.context import Context
from profiles.conformance.extensions import IDENTIFIED
from profiles.definitional.capability_statement import capability_problems
from profiles.definitional.code_system import code_system_problems
from profiles.definitional.concept_map import concept_map_problems
from profiles.definitional.search_parameter import search_parameter_problems
from profiles.definitional.structure_definition import structure_problems
from profiles.definitional.value_set import value_set_problems
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]

_CHECKS: dict[str, Callable[[Json, Registry, Context], Problems]] = {
    "ConceptMap": concept_map_problems,
    "StructureDefinition": structure_problems,
    "SearchParameter": search_parameter_problems,
    "CapabilityStatement": capability_problems,
    "CodeSystem": code_system_problems,
    "ValueSet": value_set_problems,
}


def definition_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """The problems of a definition by what its type says in words, and of its canonical URL."""
    name = str(resource.get("resourceType"))
    check = _CHECKS.get(name)
    found = check(resource, registry, context) if check is not None else []
    url = resource.get("url")
    if isinstance(url, str) and not is_absolute(url) and registry.definitions.properties(name).keys() >= IDENTIFIED:
        text = f"the canonical URL of a definition is absolute, such as http://hospital.example/{shown(url)[1:-1]}"
        found.append(Problem("canonical-url", "value", text, ".url"))
    return found
