"""Bindings of R4 that only a terminology can answer: maximum ones, extensible ones, required ones that can't be listed.

https://hl7.org/fhir/R4/terminologies.html#strength; what the definitions list is checked with the structure.
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.definitions import Definitions, Element
from profiles.conformance.bindings import CODED, WITH_SYSTEM, Binding, BindingCheck, binding_check, codings
from profiles.conformance.context import Context
from profiles.conformance.walking import Choice, ValueCheck
from profiles.structure.bindings import MIME_TYPES
from profiles.structure.problems import Problem, Problems

Json = dict[str, Any]

STRENGTHS = ("required", "extensible")
_ELEMENT_OF_A_RELEASE = re.compile(r"http://hl7\.org/fhir/[0-9]+\.[0-9]+/StructureDefinition/extension-.+").fullmatch


def covered(definitions: Definitions, value_set: str) -> bool:
    """Whether a required binding to this value set is checked with the structure."""
    return value_set.partition("|")[0] == MIME_TYPES or definitions.required_codes(value_set) is not None


def base_bindings(definitions: Definitions) -> Choice:
    """The choice of checks of codes against what the elements of R4 are bound to."""

    def choose(element: Element, code: str) -> BindingCheck | None:
        binding = element.binding
        check = None
        if binding is not None and code in CODED:
            asked = binding.strength == "required" and covered(definitions, binding.value_set)
            if binding.strength in STRENGTHS and not asked:
                check = binding_check(Binding(binding.strength, binding.value_set), code)
            if binding.maximum:
                check = _in_turn(binding_check(Binding("max", binding.maximum), code), check)
        if code in WITH_SYSTEM:
            check = _with_known_codes(check, code)
        return None if check is None else _unless_bound(check)

    return choose


def without_code(element: Element, code: str) -> ValueCheck | None:
    """The check of a code that has extensions and no value: what R4 requires of it is a concept of the value set."""
    binding = element.binding
    if code != "code" or binding is None or binding.strength != "required":
        return None

    def absent(twin: Any, context: Context) -> Problems:
        codes = context.shared.definitions.required_codes(binding.value_set) or {}
        unknown = any("unknown" in found for found in codes.values())
        hint = "write unknown" if unknown else "use a code of it, or leave the element out where it may be left out"
        text = f"there is no code of {binding.value_set}, which extensions can't stand in for: {hint}"
        severity = "warning" if _of_another_release(twin) else "error"
        return [Problem("binding-required", "code-invalid", text, severity=severity)]

    return absent


def _of_another_release(twin: Json) -> bool:
    """Whether a code of another release of FHIR stands there (https://hl7.org/fhir/R4/versions.html#extensions)."""
    extensions = twin.get("extension")
    return isinstance(extensions, list) and any(
        isinstance(each, dict) and _ELEMENT_OF_A_RELEASE(str(each.get("url"))) for each in extensions
    )


def _in_turn(first: BindingCheck, second: BindingCheck | None) -> BindingCheck:
    if second is None:
        return first
    return lambda value, context: first(value, context) or second(value, context)


def _unless_bound(check: BindingCheck) -> BindingCheck:
    """The check of a value that no profile binds; where it finds something, the codings in it are not asked again."""

    def unbound(value: Any, context: Context) -> Problems | None:
        bound = context.shared.bound
        found = None if id(value) in bound else check(value, context)
        if found is not None and isinstance(value, dict):
            bound.update(map(id, value.get("coding", ())))
        return found

    return unbound


def _with_known_codes(check: BindingCheck | None, type_name: str) -> BindingCheck:
    """The check of a binding, and where it finds nothing, whether the codes are codes of their systems."""

    def known(value: Any, context: Context) -> Problems | None:
        found = check(value, context) if check is not None else None
        if found is not None:
            return found
        for system, code in codings(value, type_name) or ():
            if isinstance(system, str) and isinstance(code, str) and system and code:
                reason = context.shared.unknown_code(system, code)
                if reason:
                    return [Problem("code-unknown", "code-invalid", reason, severity="warning")]
        return None

    return known
