"""The names by which generated functions call one another: one kind name for each distinct way to check a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from fhir_server.definitions import Definitions, Element, Invariant, TypeDefinition, TypeReference
from profiles.structure.bindings import MIME_TYPES
from profiles.structure.rules import OF_PROFILES, Rule

RuleMaker = Callable[[Iterable[Invariant], str], list[Rule]]
CODED = ("CodeableConcept", "Coding", "Quantity")


def identifier(type_name: str) -> str:
    """A type's name as part of a Python name: Patient_contact."""
    return type_name.replace(".", "_")


class KindNames:
    """Gives kind names, and keeps which of them are to be generated: `fresh` is emptied by who generates them.

    fresh: kind -> (form, base kind, constants), form is code | coded | reference | ruled.
    rules_of: gives the rules that invariants make for a type.
    """

    def __init__(self, definitions: Definitions, rules_of: RuleMaker) -> None:
        self.definitions = definitions
        self._rules_of = rules_of
        self.fresh: dict[str, tuple[str, str, dict[str, Any]]] = {}
        self._names: dict[tuple[Any, ...], str] = {}

    def kind(self, owner: TypeDefinition, element: Element, reference: TypeReference) -> str:
        """The kind of this element's values when they have this type."""
        kind = self._of_type(owner, element, reference)
        invariants = (*element.invariants, *(each for url in reference.profiles for each in OF_PROFILES.get(url, ())))
        rules = self._rules_of(invariants, reference.code) if invariants else []
        if not rules:
            return kind
        place = (owner.name, element.name) if element.invariants else reference.profiles
        return self._named(("ruled", *place, kind), "ruled", kind, {"RULES": rules})

    def _of_type(self, owner: TypeDefinition, element: Element, reference: TypeReference) -> str:
        code = reference.code
        if code == "Reference":
            return self._reference(reference.targets)
        if code == "Resource":
            return "contained_Resource" if owner.kind == "resource" and element.name == "contained" else "Resource"
        if element.binding and element.binding.strength == "required":
            if code == "code" and element.binding.value_set.partition("|")[0] == MIME_TYPES:
                return "mime"
            codes = self.definitions.required_codes(element.binding.value_set)
            if codes is not None and (code == "code" or code in CODED):
                return self._bound(code, element.binding.value_set.partition("|")[0], codes)
        return identifier(code)

    def _reference(self, targets: tuple[str, ...]) -> str:
        allowed = frozenset(targets or self.definitions.resource_types)
        return self._named(("reference", targets), "reference", "Reference", {"TARGETS": allowed})

    def _bound(self, code: str, value_set: str, codes: dict[str, frozenset[str]]) -> str:
        if code == "code":
            allowed = frozenset().union(*codes.values())
            return self._named(("code", value_set), "code", "", {"CODES": allowed, "SET": value_set})
        return self._named((code, value_set), "coded", code, {"CODES": codes, "SET": value_set})

    def _named(self, key: tuple[Any, ...], form: str, base: str, constants: dict[str, Any]) -> str:
        name = self._names.get(key)
        if name is None:
            name = self._names[key] = f"{form}_{len(self._names)}"
            self.fresh[name] = (form, base, {f"{constant}_{name}": value for constant, value in constants.items()})
        return name
