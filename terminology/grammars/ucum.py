"""UCUM as a code system (https://hl7.org/fhir/R4/valueset-ucum-units.html)."""

from __future__ import annotations

from fhir_server.definitions import ucum
from terminology.grammars.base import Grammar
from terminology.model import Concept, Filter, Property, SystemInfo


class Ucum(Grammar):
    """Units; the property `canonical` is their canonical unit, by which value sets pick units of one kind."""

    def __init__(self) -> None:
        self.info = SystemInfo(ucum.SYSTEM, "", "UCUM")

    def find(self, code: str) -> Concept | None:
        """A valid unit; displayed in words."""
        return Concept(0, code, ucum.describe(code)) if ucum.is_valid(code) else None

    def why_not(self, code: str) -> str:
        """What is wrong, and where."""
        try:
            ucum.parse(code)
        except ucum.InvalidUnit as failure:
            return f"{failure}."
        return ""

    def properties(self, concept: Concept) -> tuple[Property, ...]:
        """canonical: the canonical unit."""
        return (Property("canonical", "code", ucum.parse(concept.code).canonical_units),)

    def property_codes(self) -> list[str]:
        """canonical."""
        return ["canonical"]

    def _holds(self, concept: Concept, filter: Filter) -> bool:
        if filter.property == "canonical" and filter.op == "=" and ucum.is_valid(filter.value):
            # Any unit of the wanted kind may be named, not just the canonical one: `a` stands for time.
            return ucum.parse(concept.code).dimensions == ucum.parse(filter.value).dimensions
        return super()._holds(concept, filter)
