"""Resources by their resourceType, and what holds for contained ones (https://hl7.org/fhir/R4/references.html#contained)."""

from __future__ import annotations

from typing import Any

from fhir_server.definitions import Definitions
from profiles.structure.objects import array_problems
from profiles.structure.pending import enter_contained, settle
from profiles.structure.problems import Check, Problems, kind_of, nearest, problem, shown, under


def resource_check(definitions: Definitions, checks: dict[str, Check]) -> Check:
    """The check of a resource of whatever type, with its questions left open; checks: resource type -> its check."""

    def check_resource(value: Any) -> Problems | None:
        if type(value) is dict:
            name = value.get("resourceType")
            if type(name) is str and name in checks:
                return checks[name](value)
        return _no_resource(value, definitions)

    return check_resource


def _no_resource(value: Any, definitions: Definitions) -> Problems:
    if value is None:
        return problem("null", "structure", "null is not allowed here: leave the element out")
    if not isinstance(value, dict):
        return problem(
            "type", "structure", f"must be a resource, a JSON object with resourceType, but is {kind_of(value)}"
        )
    if "resourceType" not in value:
        return problem(
            "resource-type", "required", 'a resource must say what it is: add "resourceType"', ".resourceType"
        )
    name = value["resourceType"]
    hint = nearest(name, definitions.resource_types) if isinstance(name, str) else ""
    return problem("resource-type", "value", f"{shown(name)} is no resource type of R4{hint}", ".resourceType")


def settled(check_resource: Check) -> Check:
    """The check of a resource that no other contains: it answers the questions of all that is in it."""

    def check_settled(value: Any) -> Problems | None:
        found = check_resource(value)
        return None if found is None else settle(found, value)

    return check_settled


def contained_check(check_resource: Check) -> Check:
    """The check of a contained resource: it has an id, contains none itself, and has no version or security labels."""

    def check_contained(value: Any) -> Problems | None:
        found = check_resource(value)
        if type(value) is not dict:
            return found
        if found is not None:
            found = enter_contained(found, value)
        if "id" not in value:
            text = "a contained resource needs an id, which references name as '#id'"
            found = under(found, ".id", problem("contained-id", "required", text))
        if "contained" in value:
            text = "a contained resource must not contain resources: contain them in the outer resource"
            kept = [each for each in found or () if not each.path.startswith(".contained")]
            found = under(kept, ".contained", problem("dom-2", "invariant", text))
        meta = value.get("meta")
        if type(meta) is dict:
            if "versionId" in meta or "lastUpdated" in meta:
                text = "a contained resource has no meta.versionId and no meta.lastUpdated: leave them out"
                found = under(found, ".meta", problem("dom-4", "invariant", text))
            if "security" in meta:
                text = "a contained resource has no security labels: label the outer resource"
                found = under(found, ".meta.security", problem("dom-5", "invariant", text))
        return found

    return check_contained


def contained_array(check_contained: Check) -> Check:
    """The check of the array of contained resources: each, and that no id comes twice."""

    def check_array(values: Any) -> Problems | None:
        found = array_problems(values, check_contained)
        if not isinstance(values, list):
            return found
        seen = set()
        for position, value in enumerate(values):
            name = value.get("id") if isinstance(value, dict) else None
            if isinstance(name, str):
                if name in seen:
                    text = f"the id {shown(name)} is that of another contained resource: give each its own"
                    found = under(found, f"[{position}].id", problem("contained-id", "duplicate", text))
                seen.add(name)
        return found

    return check_array
