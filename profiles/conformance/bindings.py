"""Bindings by strength (https://hl7.org/fhir/R4/terminologies.html#strength), maximum and additional ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from profiles.conformance.context import Context
from profiles.structure.problems import Problem, Problems, shown

Json = dict[str, Any]

MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"
ADDITIONAL = (  # the second is how R5's own element is written in R4
    "http://hl7.org/fhir/tools/StructureDefinition/additional-binding",
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition.binding.additional",
)
PURPOSES = {"required": "required", "maximum": "max", "extensible": "extensible", "preferred": "preferred"}

CODED = ("code", "Coding", "CodeableConcept", "Quantity", "string", "uri", "url", "canonical", "id", "markdown")
_QUANTITIES = ("Quantity", "Age", "Count", "Distance", "Duration")
WITH_SYSTEM = ("Coding", *_QUANTITIES)  # one code with its system


BindingCheck = Callable[[Any, Context], "Problems | None"]


class Binding(NamedTuple):
    """One binding; rule: "required", "max", "extensible" or "preferred"."""

    rule: str
    value_set: str


SEVERITY = {"required": "error", "max": "error", "extensible": "warning", "preferred": "information"}


def bindings_of(element: Json) -> Iterator[Binding]:
    """All the bindings of an ElementDefinition that say something of every value."""
    binding = element.get("binding")
    if not binding:
        return
    if "valueSet" in binding and binding.get("strength") in SEVERITY:
        yield Binding(binding["strength"], binding["valueSet"])
    for extension in binding.get("extension", ()):
        if extension.get("url") == MAX_VALUE_SET and "valueCanonical" in extension:
            yield Binding("max", extension["valueCanonical"])
        elif extension.get("url") in ADDITIONAL:
            parts = {part.get("url"): part for part in extension.get("extension", ())}
            purpose = PURPOSES.get(parts.get("purpose", {}).get("valueCode"), "")
            value_set = parts.get("valueSet", {}).get("valueCanonical")
            one_of_many = parts.get("any", {}).get("valueBoolean") is True
            if purpose and value_set and "usage" not in parts and not one_of_many:
                yield Binding(purpose, value_set)


def codings(value: Any, type_name: str) -> list[tuple[str, str]] | None:
    """The (system, code) of a value, "" where it has none; None where it is of a type that has no codes."""
    if type_name == "CodeableConcept":
        return [(c.get("system", ""), c.get("code", "")) for c in value.get("coding", ())]
    if type_name == "Coding":
        return [(value.get("system", ""), value.get("code", ""))]
    if type_name in _QUANTITIES:
        return [(value.get("system", ""), value["code"])] if "code" in value else []
    return [("", value)] if isinstance(value, str) else None


def binding_check(binding: Binding, type_name: str, contained: Json | None = None) -> BindingCheck:
    """The check of values of a type against one binding: (value, context) -> problems.

    contained: the value set itself, where the profile contains it.
    """
    rule = f"binding-{binding.rule}"
    plain = type_name not in ("CodeableConcept", "Coding", *_QUANTITIES)

    def check(value: Any, context: Context) -> Problems | None:
        found = codings(value, type_name)
        if found is None:
            return None
        unknown = False
        for system, code in found:
            if not code or not (system or plain):
                continue
            if contained is None:
                member = context.shared.member_of(binding.value_set, system, code)
            else:
                member = context.shared.member_of_resource(contained, system, code)
            if member:
                return None
            unknown = unknown or member is None
        if unknown:
            return _unknown(context)
        if binding.rule != "required" and not any(code for _, code in found):
            return None
        return [Problem(rule, "code-invalid", _text(found), severity=SEVERITY[binding.rule])]

    def _unknown(context: Context) -> Problems | None:
        if binding.rule == "preferred":
            return None
        text = f"the codes could not be checked: the value set {binding.value_set}, or a code system of it, is not here"
        warning = context.unknown(binding.value_set, "binding-unknown", text)
        return None if warning is None else [warning]

    def _text(found: list[tuple[str, str]]) -> str:
        codes = " and ".join(shown(f"{system}|{code}" if system else code) for system, code in found[:3])
        has = f"{codes} is not in {binding.value_set}" if codes else f"there is no code of {binding.value_set}"
        if binding.rule == "extensible":
            return f"{has}: use a code of it if one fits"
        return f"{has}: use a code of it"

    return check
