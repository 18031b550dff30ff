"""What an asked quantity is in each of the units that quantities of the index have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fhir_server.core.ports import UnitConverter
from fhir_server.core.query import QuantityIs
from fhir_server.storage.elastic import terms
from fhir_server.storage.elastic.encode import Unit

Asked = tuple[float, float, float]  # value, low, high


class Units:
    """The units of an index; converter: between them, None for none."""

    def __init__(self, units: Sequence[Unit] = (), converter: UnitConverter | None = None) -> None:
        self._coded = sorted({(system, code) for system, code, _ in units if code})
        self._converter = converter

    def meanings(self, clause: QuantityIs) -> Iterator[tuple[list[str] | None, Asked]]:
        """Terms of units with the quantity in them; None for whatever unit."""
        asked = (clause.value, clause.low, clause.high)
        if clause.unit is None:
            yield None, asked
            return
        system, code = clause.unit
        if system is None:
            yield [terms.unit_code(code), terms.unit_name(code)], asked
            return
        yield [terms.unit(system, code)], asked
        for other in self._coded:
            if other != (system, code):
                converted = self._convert(asked, (system, code), other)
                if converted is not None:
                    yield [terms.unit(*other)], converted

    def _convert(self, asked: Asked, given: tuple[str, str], other: tuple[str, str]) -> Asked | None:
        if self._converter is None:
            return None
        value, low, high = (self._converter.convert(number, *given, *other) for number in asked)
        return None if value is None or low is None or high is None else (value, low, high)
