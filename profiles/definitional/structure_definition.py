"""What a StructureDefinition must be in itself (https://hl7.org/fhir/R4/structuredefinition.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.errors import FhirError
from fhir_server.core.uris import is_absolute
from profiles.conformance.context import Context
from profiles.definitional.reading import expression_problems, object_of, objects_of
from profiles.snapshot.registry import BASE, Registry
from profiles.structure.problems import Problem, Problems, nearest, shown

Json = dict[str, Any]

OPEN = ("Element", "BackboneElement", "Resource", "DomainResource")  # whose profiles may be for what is made of them


def structure_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """A type that is none, or not that of the base; profiles of other types than the element that names them;
    constraints whose FHIRPath can't be read; a differential that its base does not allow.
    """
    found = _type(resource, registry)
    for view in ("differential", "snapshot"):
        for position, element in enumerate(objects_of(object_of(resource.get(view)).get("element"))):
            found += _profiles(element, f".{view}.element[{position}]", registry)
            for number, constraint in enumerate(objects_of(element.get("constraint"))):
                place = f".{view}.element[{position}].constraint[{number}].expression"
                found += expression_problems(constraint.get("expression"), place, registry)
    for position, expression in enumerate(resource.get("contextInvariant") or ()):
        found += expression_problems(expression, f".contextInvariant[{position}]", registry)
    if resource.get("derivation") == "constraint" and "differential" in resource:
        found += _differential(resource, registry)
    return found


def _type(resource: Json, registry: Registry) -> Problems:
    """A type that is neither R4's nor a logical model's own URL, and one that does not go with that of the base."""
    name, base = resource.get("type"), resource.get("baseDefinition")
    if not isinstance(name, str):
        return []
    if not is_absolute(name) and name not in registry.definitions.types and resource.get("url") != BASE + name:
        own = ": write the URL of the logical model" if resource.get("kind") == "logical" else ""
        hint = nearest(name, registry.definitions.types)
        text = f"{shown(name)} is no type of R4, and only the types of R4 have names without a URL{own}{hint}"
        return [Problem("structure-type", "value", text, ".type")]
    inherited = registry.type_of(base) if isinstance(base, str) else None
    if inherited is None:
        return []
    if resource.get("derivation") == "specialization" and inherited == name:
        text = f"a specialization is a type of its own, not {shown(name)}, which its base {base} is"
        return [Problem("structure-type", "business-rule", text, ".type")]
    if resource.get("derivation") == "constraint" and inherited != name:
        text = f"a constraint has the type of its base {base}, which is {inherited}, not {shown(name)}"
        return [Problem("structure-type", "business-rule", text, ".type")]
    return []


def _profiles(element: Json, path: str, registry: Registry) -> Problems:
    """Profiles of an element's types that are for other types; those of a backbone element are for a whole resource."""
    found: Problems = []
    for at, each in enumerate(objects_of(element.get("type"))):
        code = each.get("code")
        for number, profile in enumerate(each.get("profile", ())):
            named = registry.type_of(profile) if isinstance(profile, str) else None
            if named is None or named == code or code in OPEN or code not in registry.definitions.types:
                continue
            text = f"the profile {profile} is for {named}, the type here is {code}"
            found.append(Problem("type-profile", "business-rule", text, f"{path}.type[{at}].profile[{number}]"))
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
