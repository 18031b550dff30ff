"""Questions about a value that only the resource around it answers: they travel outwards like problems, and are settled
where the resource is known (%resource and %rootResource of https://hl7.org/fhir/R4/fhirpath.html#variables).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fhir_server.fhirpath import Environment, FhirPathError
from profiles.structure.problems import Problem, Problems, listed, problem, shown, under

_LINKED = re.compile(r"""\b(?:src|href)\s*=\s*["'](#[^"'<>]+)["']""").findall
PENDING = "pending"  # the severity of a question


class Question(Problem):
    """Asked once the resource is known; answer(resource, container or None) gives a Problem, or None where all is well.

    container: the resource that contains this one.
    """

    __slots__ = ("_answer", "resource")

    def __init__(self, answer: Callable[[dict[str, Any], dict[str, Any] | None], Problem | None]) -> None:
        super().__init__(PENDING, "", "", severity=PENDING)
        self._answer = answer
        self.resource: dict[str, Any] | None = None

    def settle(self, outer: dict[str, Any]) -> Problem | None:
        """The problem that comes of it in this resource, which is contained in no other."""
        inner = self.resource
        found = self._answer(outer, None) if inner is None else self._answer(inner, outer)
        if found is not None:
            found.path = self.path + found.path
        return found


def settle(found: Problems, outer: dict[str, Any]) -> Problems | None:
    """The problems with every question answered; None where none is left."""
    kept = []
    for each in found:
        settled = each.settle(outer) if isinstance(each, Question) else each
        if settled is not None:
            kept.append(settled)
    return kept or None


def enter_contained(found: Problems, resource: dict[str, Any]) -> Problems:
    """The problems of a contained resource, whose questions now know which resource they stand in."""
    for each in found:
        if isinstance(each, Question) and each.resource is None:
            each.resource = resource
    return found


def local_reference(identifier: str, allowed: frozenset[str]) -> Problems:
    """ref-1 of a reference to '#identifier', and whether what it names is of a type that the element allows."""

    def answer(resource: dict[str, Any], container: dict[str, Any] | None) -> Problem | None:
        outer = resource if container is None else container
        if not identifier:
            named = outer.get("resourceType")
        else:
            types = contained_types(outer)
            if types is None:
                return None
            if identifier not in types:
                known = f"those contained are {listed(f'#{name}' for name in types)}" if types else "none is contained"
                text = f"{shown('#' + identifier)} names no contained resource: {known}"
                return Problem("ref-1", "invariant", text)
            named = types[identifier]
        if isinstance(named, str) and named not in allowed:
            text = f"a reference to {named} is not allowed here: only to {listed(allowed)}"
            return Problem("reference-target", "value", text, ".reference")
        return None

    question = Question(answer)
    question.rule = "#" + identifier
    return [question]


def contained_types(resource: dict[str, Any]) -> dict[str, Any] | None:
    """id -> type of the contained resources; None where that can't be told, because one of them has no id."""
    contained = resource.get("contained", ())
    if contained == [] or not isinstance(contained, (list, tuple)):
        return None
    types = {}
    for each in contained:
        name = each.get("id") if isinstance(each, dict) else None
        if not isinstance(name, str):
            return None
        types[name] = each.get("resourceType")
    return types


def unreferenced_contained(found: Problems | None, value: dict[str, Any]) -> Problems | None:
    """dom-3: every contained resource is referred to, or refers to the resource that contains it."""
    types = contained_types(value) or {}
    asked = {each.rule for each in found or () if isinstance(each, Question)}
    if all("#" + name in asked for name in types):
        return found
    named: set[str] = set()  # canonicals and URIs too
    _local_names(value, named)
    for position, each in enumerate(value["contained"] if types else ()):
        inside: set[str] = set()
        _local_names(each, inside)
        name = "#" + each["id"]
        wrong = any(p.severity == "error" and p.path.startswith(f".contained[{position}]") for p in found or ())
        if name not in named and "#" not in inside and not wrong:
            text = f"nothing refers to the contained resource {shown(name)}: refer to it, or leave it out"
            found = under(found, f".contained[{position}]", problem("dom-3", "invariant", text))
    return found


def _local_names(value: Any, names: set[str]) -> None:
    if isinstance(value, dict):
        if isinstance(value.get("div"), str):  # an image of a narrative may be a contained resource
            names.update(_LINKED(value["div"]))
        for item in value.values():
            _local_names(item, names)
    elif isinstance(value, list):
        for item in value:
            _local_names(item, names)
    elif isinstance(value, str) and value.startswith("#"):
        names.add(value)


def unevaluated(key: str, failure: FhirPathError) -> Problem:
    """What is said of a rule whose expression failed."""
    text = f"{key} could not be checked: {failure.message}"
    return Problem(key, "processing", text, severity="warning")


def in_resource(key: str, holds: Callable[..., bool], broken: Callable[[], Problem], value: Any) -> Question:
    """The question whether an invariant that looks at its resource holds for a value."""

    def answer(resource: dict[str, Any], container: dict[str, Any] | None) -> Problem | None:
        environment = Environment(container=container) if container is not None else None
        try:
            return None if holds(value, resource, environment) else broken()
        except FhirPathError as failure:
            return unevaluated(key, failure)

    return Question(answer)
