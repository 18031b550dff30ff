"""R4's invariants as functions, chosen by severity, on the one FHIRPath engine (https://hl7.org/fhir/R4/conformance-rules.html).

What the walk over the structure finds by itself is not asked again (COVERED); a few invariants whose expression would
visit everything have a function of their own (NATIVE), and the tests hold both to the same answers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from fhir_server.definitions import Definitions, Invariant
from fhir_server.fhirpath import FhirPathError, Path, compile_path
from profiles.structure.pending import in_resource, unevaluated
from profiles.structure.problems import Problem, Problems

COVERED = frozenset({"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "txt-1", "txt-2", "ref-1"})

# R4's expression -> what it means: where a part is empty, or two values can't be compared (a day and a time of that
# day), these are empty, which is not true. R5 says it so.
_AMENDED = {
    "start.hasValue().not() or end.hasValue().not() or (start <= end)": "iif(start > end, false, true)",
    "low.empty() or high.empty() or (low <= high)": "iif(low > high, false, true)",
    "whenHandedOver.empty() or whenPrepared.empty() or whenHandedOver >= whenPrepared": (
        "iif(whenHandedOver < whenPrepared, false, true)"
    ),
    "probability is decimal implies (probability as decimal) <= 100": "(probability as decimal).all($this <= 100)",
    # more than one, it says in words
    "enableWhen.count() > 2 implies enableBehavior.exists()": "enableWhen.count() > 1 implies enableBehavior.exists()",
    "fullUrl.contains('/_history/').not()": "fullUrl.exists() implies fullUrl.contains('/_history/').not()",
    "name.matches('[A-Z]([A-Za-z0-9_]){0,254}')": "name.exists() implies name.matches('[A-Z]([A-Za-z0-9_]){0,254}')",
    # of vital signs, and of all profiles that build on them: a Period is none that is too short
    "($this as dateTime).toString().length() >= 8": "($this as dateTime).all(toString().length() >= 8)",
}
# What R4's own profiles of data types say, by which its elements have these (Range.low, Observation.referenceRange.low)
OF_PROFILES = {
    "http://hl7.org/fhir/StructureDefinition/SimpleQuantity": (
        Invariant("sqty-1", "error", "The comparator is not used on a SimpleQuantity", "comparator.empty()"),
    )
}
# matches() finds the pattern anywhere in the text, the invariants mean all of it
_MATCHES = re.compile(r"\.matches\('(?!\^)((?:[^'\\]|\\.)*)'\)")
_NEEDS_RESOURCE = re.compile(r"%resource|%rootResource|resolve\(")


class Rule(NamedTuple):
    """An invariant for values of one type; holds(value, resource, environment) raises FhirPathError where it fails."""

    name: str
    key: str
    severity: str
    human: str
    native: Callable[..., bool] | None
    path: Path
    needs_resource: bool

    @property
    def holds(self) -> Callable[..., bool]:
        """The function; once it was called, the one that is generated for it."""
        return self.native or self.path.is_true

    def broken(self) -> Problem:
        """The problem where it does not hold."""
        return Problem(self.key, "invariant", self.human, severity=self.severity)


def amended(expression: str) -> str:
    """An expression of R4 as it is meant, another one as it is."""
    return _AMENDED.get(expression, expression)


def expression_of(invariant: Invariant) -> str:
    """The invariant's FHIRPath as it is meant."""
    return _MATCHES.sub(r".matches('^(?:\1)$')", amended(invariant.expression))


class RuleBook:
    """The rules of each type; best_practice: whether those that are only recommended count too.

    unusable: (key, type, reason) of the invariants whose expression does not fit the type, met so far.
    """

    def __init__(self, definitions: Definitions, best_practice: bool) -> None:
        self._definitions = definitions
        self._best_practice = best_practice
        self.unusable: list[tuple[str, str, str]] = []

    def of(self, invariants: Iterable[Invariant], context_type: str) -> list[Rule]:
        """The rules that these invariants make for values of a type."""
        rules = []
        for invariant in invariants:
            if invariant.key in COVERED or (invariant.best_practice and not self._best_practice):
                continue
            try:
                rules.append(self._rule(invariant, context_type))
            except FhirPathError as failure:
                self.unusable.append((invariant.key, context_type, failure.message))
        return rules

    def _rule(self, invariant: Invariant, context_type: str) -> Rule:
        expression = expression_of(invariant)
        path = compile_path(expression, self._definitions, context_type)
        kind = self._definitions.types[context_type].kind
        return Rule(
            name=re.sub(r"\W", "_", f"{context_type}_{invariant.key}"),
            key=invariant.key,
            severity=invariant.severity,
            human=invariant.human,
            native=NATIVE.get(invariant.key),
            path=path,
            needs_resource=kind != "resource" and _NEEDS_RESOURCE.search(expression) is not None,
        )


def broken(found: Problems | None, rule: Rule) -> Problems:
    """The problems found so far and that this rule is broken."""
    return [*(found or ()), rule.broken()]


def ask(found: Problems | None, rule: Rule, value: Any) -> Problems:
    """The problems found so far and the question whether this rule holds, which its resource answers."""
    return [*(found or ()), in_resource(rule.key, rule.holds, rule.broken, value)]


def late_rules(found: Problems | None, value: Any, rules: Iterable[Rule]) -> Problems | None:
    """The same rules one by one, where there are problems already or an expression failed.

    An element with an error inside is not judged as a whole, so that one mistake stays one issue.
    """
    if found is not None and any(each.severity == "error" for each in found):
        return found
    more: Problems = []
    for rule in rules:
        try:
            if rule.needs_resource:
                more.append(in_resource(rule.key, rule.holds, rule.broken, value))
            elif not rule.holds(value, value):
                more.append(rule.broken())
        except FhirPathError as failure:
            more.append(unevaluated(rule.key, failure))
    return [*(found or ()), *more] or None


def _all_below(value: Any, name: str, found: list[str]) -> list[str]:
    """The texts of a property anywhere below an object."""
    for key, item in value.items():
        if key == name and isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            _all_below(item, name, found)
        elif isinstance(item, list):
            for each in item:
                if isinstance(each, dict):
                    _all_below(each, name, found)
    return found


def _distinct_link_ids(value: dict[str, Any], *_resource: Any) -> bool:
    found = _all_below({key: item for key, item in value.items() if key != "resourceType"}, "linkId", [])
    return len(found) == len(set(found))


def _distinct_codes(value: dict[str, Any], *_resource: Any) -> bool:
    found: list[str] = []
    waiting = list(value.get("concept", ()))
    while waiting:
        concept = waiting.pop()
        if "code" in concept:
            found.append(concept["code"])
        waiting.extend(concept.get("concept", ()))
    return len(found) == len(set(found))


NATIVE: dict[str, Callable[..., bool]] = {"que-2": _distinct_link_ids, "csd-1": _distinct_codes}
