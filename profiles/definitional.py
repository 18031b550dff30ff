"""What profiles, search parameters, code systems and value sets must be in themselves, beyond their invariants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from fhir_server.core.errors import FhirError
from fhir_server.core.uris import is_absolute
from fhir_server.fhirpath import FhirPathError, compile_path
from profiles.conformance.context import Context, Surroundings
from profiles.conformance.extensions import IDENTIFIED
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems, nearest, shown

Json = dict[str, Any]

VALUE_SETS = "http://hl7.org/fhir/ValueSet/"
LISTS = ("include", "exclude")


def definition_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """The problems of a StructureDefinition, SearchParameter, CodeSystem or ValueSet, and of others' canonical URLs."""
    name = str(resource.get("resourceType"))
    check = _CHECKS.get(name)
    found = check(resource, registry, context) if check is not None else []
    url = resource.get("url")
    if isinstance(url, str) and not is_absolute(url) and registry.definitions.properties(name).keys() >= IDENTIFIED:
        text = f"the canonical URL of a definition is absolute, such as http://hospital.example/{shown(url)[1:-1]}"
        found.append(Problem("canonical-url", "value", text, ".url"))
    return found


def _structure(resource: Json, registry: Registry, context: Context) -> Problems:
    """Constraints whose FHIRPath can't be read, and a differential that its base does not allow."""
    found: Problems = []
    for view in ("differential", "snapshot"):
        for position, element in enumerate(_objects(_object(resource.get(view)).get("element"))):
            for number, constraint in enumerate(_objects(element.get("constraint"))):
                place = f".{view}.element[{position}].constraint[{number}].expression"
                found += _expression(constraint.get("expression"), place, registry)
    for position, expression in enumerate(resource.get("contextInvariant") or ()):
        found += _expression(expression, f".contextInvariant[{position}]", registry)
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


def _search_parameter(resource: Json, registry: Registry, context: Context) -> Problems:
    """An expression that can't be read, and a composite parameter that has nothing to combine."""
    found = _expression(resource.get("expression"), ".expression", registry)
    components = _objects(resource.get("component"))
    for position, component in enumerate(components):
        found += _expression(component.get("expression"), f".component[{position}].expression", registry)
    if resource.get("type") == "composite" and len(components) < 2:
        text = f"a composite parameter combines two or more others: {len(components) or 'no'} component is there"
        found.append(Problem("composite-components", "business-rule", text, ".component"))
    return found


def _expression(expression: Any, path: str, registry: Registry) -> Problems:
    if not isinstance(expression, str):
        return []
    try:
        compile_path(expression, registry.definitions)
    except FhirPathError as failure:
        severity = "error" if failure.kind == "syntax" else "warning"
        return [Problem("fhirpath", "invalid", f"the expression can't be read: {failure}", path, severity)]
    return []


def _code_system(resource: Json, registry: Registry, context: Context) -> Problems:
    """Properties of concepts that the code system does not declare, or not of this type; a count that is another.

    The properties of the code system that a supplement is for are its own too.
    """
    supplemented = resource.get("supplements")
    base = registry.find("CodeSystem", supplemented) if isinstance(supplemented, str) else None
    properties = [*_objects(_object(base).get("property")), *_objects(resource.get("property"))]
    declared = {each.get("code"): each.get("type") for each in properties}
    concepts = list(_concepts(resource, ""))
    found = _supplement(resource, concepts, context.shared)
    for path, concept in concepts:
        for position, each in enumerate(_objects(concept.get("property"))):
            code, place = each.get("code"), f"{path}.property[{position}]"
            value = next((key for key in each if key.startswith("value")), "")
            if code not in declared:
                hint = nearest(str(code), [str(name) for name in declared])
                text = f"CodeSystem.property declares no {shown(code)}{hint}"
                found.append(Problem("property-undeclared", "not-found", text, f"{place}.code"))
            elif value and value.removeprefix("value").lower() != str(declared[code]).lower():
                text = f"the property {shown(code)} is declared as {declared[code]}, this is a {value}"
                found.append(Problem("property-type", "value", text, f"{place}.value"))
    if resource.get("content") == "not-present" and concepts:
        text = "the content is not-present, but concepts are: leave them out, or say complete, fragment or example"
        found.append(Problem("code-system-content", "business-rule", text, ".content"))
    count = resource.get("count")
    if resource.get("content") == "complete" and isinstance(count, int) and concepts and count != len(concepts):
        text = f"the code system is complete and has {len(concepts)} concepts, not {count}"
        found.append(Problem("concept-count", "value", text, ".count", "warning"))
    return found


def _supplement(resource: Json, concepts: list[tuple[str, Json]], shared: Surroundings) -> Problems:
    """A supplement that is for no code system, or has codes which that, where it is here and whole, does not have."""
    system, content = resource.get("supplements"), resource.get("content")
    if content == "supplement" and system is None:
        text = "a supplement needs the canonical URL of the code system that it is for"
        return [Problem("supplement", "required", text, ".supplements")]
    if not isinstance(system, str):
        return []
    if content != "supplement":
        text = f"what supplements {system} has the content supplement, not {content}: it defines no codes of its own"
        return [Problem("supplement", "business-rule", text, ".content")]
    url = system.partition("|")[0]
    return [
        Problem("supplement-code", "code-invalid", f"a supplement defines no codes: {reason}", f"{path}.code")
        for path, concept in concepts
        if isinstance(concept.get("code"), str) and (reason := shared.unknown_code(url, concept["code"]))
    ]


def _concepts(holder: Json, path: str) -> Iterator[tuple[str, Json]]:
    waiting = [(path, holder)]
    while waiting:
        path, holder = waiting.pop()
        inner = [(f"{path}.concept[{at}]", each) for at, each in enumerate(_objects(holder.get("concept")))]
        yield from inner
        waiting += inner


def _value_set(resource: Json, registry: Registry, context: Context) -> Problems:
    """Systems that are none, and codes that a system, which is here, does not have; displays are the set's own."""
    found: Problems = []
    for name in LISTS:
        for position, part in enumerate(_objects(_object(resource.get("compose")).get(name))):
            system, place = part.get("system"), f".compose.{name}[{position}]"
            if not isinstance(system, str):
                continue
            if not (is_absolute(system) or system.startswith("#")) or system.startswith(VALUE_SETS):
                what = "a value set; name it in valueSet" if system.startswith(VALUE_SETS) else "no absolute URI"
                text = f"a system is the URL of a code system, {shown(system)} is {what}"
                found.append(Problem("system", "value", text, f"{place}.system"))
            elif "version" not in part:
                for at, concept in enumerate(_objects(part.get("concept"))):
                    found += _listed(system, concept, f"{place}.concept[{at}]", context.shared)
    return found


def _listed(system: str, concept: Json, path: str, shared: Surroundings) -> Problems:
    code = concept.get("code")
    reason = shared.unknown_code(system, code) if isinstance(code, str) else ""
    return [Problem("code-unknown", "code-invalid", reason, f"{path}.code", "warning")] if reason else []


def _object(value: Any) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(values: Any) -> list[Json]:
    return [each for each in values if isinstance(each, dict)] if isinstance(values, list) else []


_CHECKS: dict[str, Callable[[Json, Registry, Context], Problems]] = {
    "StructureDefinition": _structure,
    "SearchParameter": _search_parameter,
    "CodeSystem": _code_system,
    "ValueSet": _value_set,
}
