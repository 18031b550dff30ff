"""The constraints (invariants) that a profile states, in FHIRPath.

https://hl7.org/fhir/R4/conformance-rules.html#constraints
"""

from __future__ import annotations

from typing import Any

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, compile_path
from profiles.conformance.checks import ItemCheck
from profiles.conformance.context import Context
from profiles.structure.pending import unevaluated
from profiles.structure.problems import Problem, Problems
from profiles.structure.rules import amended

Json = dict[str, Any]

BEST_PRACTICE = "http://hl7.org/fhir/StructureDefinition/elementdefinition-bestpractice"
COVERED = frozenset(  # asked by the structural check, of every resource
    {"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "dom-6", "txt-1", "txt-2", "ref-1"}
)


def constraint_check(
    element: Json, known: set[str], code: str, definitions: Definitions, best_practice: bool
) -> ItemCheck | None:
    """The check of an element's own constraints for values of a type; known: keys that are checked elsewhere.

    best_practice: whether those that are only recommended count. ValueError where one is no FHIRPath.
    """
    rules = []
    for constraint in element.get("constraint", ()):
        if constraint["key"] in known or constraint["key"] in COVERED or "expression" not in constraint:
            continue
        recommended = any(each.get("url") == BEST_PRACTICE for each in constraint.get("extension", ()))
        if recommended and not best_practice:
            continue
        try:
            path = compile_path(amended(constraint["expression"]), definitions, code)
        except FhirPathError as failure:
            if len(element.get("type", ())) > 1:
                continue  # it speaks of another of the element's types
            raise ValueError(f"its rule {constraint['key']} is no FHIRPath for {code}: {failure.message}") from None
        severity = "warning" if constraint.get("severity") == "warning" else "error"
        human = str(constraint.get("human") or f"{constraint['expression']} must hold")
        rules.append((str(constraint["key"]), severity, human, path))
    if not rules:
        return None

    def check(value: Any, twin: Any, _code: str, context: Context) -> Problems | None:
        if value is None:
            return None
        found: Problems = []
        for key, severity, human, path in rules:
            try:
                if not path.is_true(value, context.resource, context.environment):
                    found.append(Problem(key, "invariant", human, severity=severity))
            except FhirPathError as failure:
                found.append(unevaluated(key, failure))
        return found or None

    return check
