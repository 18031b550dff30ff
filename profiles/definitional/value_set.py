"""What a ValueSet must be in itself (https://hl7.org/fhir/R4/valueset.html)."""

from __future__ import annotations

from typing import Any

from fhir_server.core.uris import is_absolute
from profiles.conformance.context import Context, Surroundings
from profiles.definitional.reading import object_of, objects_of
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]

VALUE_SETS = "http://hl7.org/fhir/ValueSet/"
LISTS = ("include", "exclude")
BY_CONCEPT = ("is-a", "descendent-of", "is-not-a", "generalizes")  # operators whose value is a code


def value_set_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """Systems that are none; codes that a system, which is here, does not have, and filters that do not fit it."""
    found: Problems = []
    for name in LISTS:
        for position, part in enumerate(objects_of(object_of(resource.get("compose")).get(name))):
            system, place = part.get("system"), f".compose.{name}[{position}]"
            if not isinstance(system, str):
                continue
            if not is_absolute(system) or system.startswith(VALUE_SETS):
                what = "a value set; name it in valueSet" if system.startswith(VALUE_SETS) else "no absolute URI"
                text = f"a system is the URL of a code system, {shown(system)} is {what}"
                severity = "warning" if system.startswith("#") else "error"  # as R4's own example has it
                found.append(Problem("system", "value", text, f"{place}.system", severity))
            elif "version" not in part:
                for at, concept in enumerate(objects_of(part.get("concept"))):
                    found += _listed(system, concept, f"{place}.concept[{at}]", context.shared)
                for at, each in enumerate(objects_of(part.get("filter"))):
                    found += _filter(system, each, f"{place}.filter[{at}]", context.shared)
    return found


def _listed(system: str, concept: Json, path: str, shared: Surroundings) -> Problems:
    code = concept.get("code")
    reason = shared.unknown_code(system, code) if isinstance(code, str) else ""
    return [Problem("code-unknown", "code-invalid", reason, f"{path}.code", "warning")] if reason else []


def _filter(system: str, filter: Json, path: str, shared: Surroundings) -> Problems:
    """A filter that selects nothing: by what the code system does not define, or by a code that is none of its own."""
    name, operator, value = (filter.get(key) for key in ("property", "op", "value"))
    if not (isinstance(name, str) and isinstance(operator, str) and isinstance(value, str)):
        return []
    if reason := shared.wrong_filter(system, name, operator, value):
        return [Problem("filter", "business-rule", reason, path)]
    if operator in BY_CONCEPT and (reason := shared.unknown_code(system, value)):
        return [Problem("code-unknown", "code-invalid", reason, f"{path}.value", "warning")]
    return []
