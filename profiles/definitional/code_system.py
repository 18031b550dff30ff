"""What a CodeSystem must be in itself (https://hl7.org/fhir/R4/codesystem.html)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from profiles.conformance.context import Context, Surroundings
from profiles.definitional.reading import object_of, objects_of
from profiles.snapshot.registry import Registry
from profiles.structure.problems import Problem, Problems, nearest, shown

Json = dict[str, Any]


def code_system_problems(resource: Json, registry: Registry, context: Context) -> Problems:
    """Properties of concepts that the code system does not declare, or not of this type; a count that is another.

    The properties of the code system that a supplement is for are its own too.
    """
    supplemented = resource.get("supplements")
    base = registry.find("CodeSystem", supplemented) if isinstance(supplemented, str) else None
    properties = [*objects_of(object_of(base).get("property")), *objects_of(resource.get("property"))]
    declared = {each.get("code"): each.get("type") for each in properties}
    concepts = list(_concepts(resource, ""))
    found = _supplement(resource, concepts, context.shared)
    for path, concept in concepts:
        for position, each in enumerate(objects_of(concept.get("property"))):
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
        inner = [(f"{path}.concept[{at}]", each) for at, each in enumerate(objects_of(holder.get("concept")))]
        yield from inner
        waiting += inner
