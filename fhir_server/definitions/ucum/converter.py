"""UCUM as the UnitConverter that search indexes are given."""

from __future__ import annotations

from fhir_server.definitions.ucum.arithmetic import canonical_unit, convert

SYSTEM = "http://unitsofmeasure.org"


class UcumConverter:
    """Implements core.ports.UnitConverter: units of one system and code are equal, UCUM's convert, others don't."""

    def convert(self, value: float, from_system: str, from_code: str, to_system: str, to_code: str) -> float | None:
        """The value in the other unit; None where they don't convert."""
        if from_system != to_system:
            return None
        if from_code == to_code:
            return value
        return convert(float(value), from_code, to_code) if from_system == SYSTEM else None

    def canonical(self, value: float, system: str, code: str) -> float:
        """The value in the canonical unit of its dimension; as it is where there is none."""
        unit = canonical_unit(code) if system == SYSTEM else None
        converted = convert(float(value), code, unit) if unit else None
        return value if converted is None else converted
