"""Bindings of R4 that only a terminology can answer: maximum ones, extensible ones, required ones that can't be listed.

https://hl7.org/fhir/R4/terminologies.html#strength; what the definitions list is checked with the structure.
"""

from __future__ import annotations

from typing import Any

from fhir_server.definitions import Definitions, Element
from profiles.conformance.bindings import CODED, WITH_SYSTEM, Binding, BindingCheck, binding_check, codings
from profiles.conformance.context import Context
from profiles.structure.bindings import MIME_TYPES
from profiles.structure.problems import Problem, Problems, under

Json = dict[str, Any]

STRENGTHS = ("required", "extensible")


def covered(definitions: Definitions, value_set: str) -> bool:
    """Whether a required binding to this value set is checked with the structure."""
    return value_set.partition("|")[0] == MIME_TYPES or definitions.required_codes(value_set) is not None


class BaseBindings:
    """Checks the codes of a resource against what the elements of R4 are bound to."""

    def __init__(self, definitions: Definitions) -> None:
        self._definitions = definitions
        self._tables: dict[str, dict[str, tuple[str, BindingCheck | None, str]]] = {}

    def check(self, resource: Json, context: Context) -> Problems | None:
        """The problems of a resource, those of the resources that it holds not among them."""
        name = resource.get("resourceType")
        if context.shared.terminology is None or not isinstance(name, str) or not self._definitions.is_resource(name):
            return None
        return self._object(resource, name, context)

    def _object(self, value: Json, type_name: str, context: Context) -> Problems | None:
        table = self._tables.get(type_name)
        if table is None:
            table = self._tables[type_name] = self._table(type_name)
        found: Problems | None = None
        for key, item in value.items():
            row = table.get(key)
            if row is None:
                continue
            name, check, inner = row
            items = item if type(item) is list else (item,)
            for position, each in enumerate(items):
                problems = None
                if check is not None and each is not None and id(each) not in context.shared.bound:
                    problems = check(each, context)
                if problems is None and inner and type(each) is dict:
                    problems = self._object(each, inner, context)
                if problems is not None:
                    place = f".{name}[{position}]" if items is item else f".{name}"
                    found = under(found, place, problems)
        return found

    def _table(self, type_name: str) -> dict[str, tuple[str, BindingCheck | None, str]]:
        """JSON property -> (element, check or None, the type to look into or "") of all that is to be looked at."""
        table = {}
        for key, found in self._definitions.properties(type_name).items():
            code = found.type.code
            check = self._binding(found.element, code)
            inner = "" if found.primitive or code == "Resource" or not self._bound(code, set()) else code
            if check is not None or inner:
                table[key] = (found.element.name, check, inner)
        return table

    def _bound(self, type_name: str, seen: set[str]) -> bool:
        """Whether anything in values of a type is bound, extensions aside: those have definitions of their own."""
        seen.add(type_name)
        for found in self._definitions.properties(type_name).values():
            code = found.type.code
            if self._binding(found.element, code) is not None:
                return True
            if found.primitive or code in ("Resource", "Extension") or code in seen:
                continue
            if self._bound(code, seen):
                return True
        return False

    def _binding(self, element: Element, code: str) -> BindingCheck | None:
        binding = element.binding
        check = None
        if binding is not None and code in CODED:
            asked = binding.strength == "required" and covered(self._definitions, binding.value_set)
            if binding.strength in STRENGTHS and not asked:
                check = binding_check(Binding(binding.strength, binding.value_set), code)
            if binding.maximum:
                check = _in_turn(binding_check(Binding("max", binding.maximum), code), check)
        return _with_known_codes(check, code) if code in WITH_SYSTEM else check


def _in_turn(first: BindingCheck, second: BindingCheck | None) -> BindingCheck:
    if second is None:
        return first
    return lambda value, context: first(value, context) or second(value, context)


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
