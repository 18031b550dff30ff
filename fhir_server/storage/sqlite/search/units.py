"""The units that the store has, and what an asked quantity is in each of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fhir_server.core.ports import UnitConverter
from fhir_server.core.query import QuantityIs
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.sql import Sql


class Amount(NamedTuple):
    """An asked quantity in some units, given by their integers, with the numbers of NumberIs."""

    units: Sequence[int]
    value: float
    low: float
    high: float


class _Unit(NamedTuple):
    unit: int
    system: str
    code: str
    name: str


class UnitTable:
    """The units of one store as one connection sees them."""

    def __init__(self, converter: UnitConverter | None = None) -> None:
        self._converter = converter
        self._newest = 0
        self._units: list[_Unit] = []
        self._meant: dict[tuple[str | None, str], dict[tuple[str, str], list[int]]] = {}

    def amounts(self, clause: QuantityIs, reader: Reader) -> Iterator[Amount]:
        """The quantity in each of the store's units that it can be meant in."""
        self._follow(reader)
        if clause.unit is None:
            yield Amount([unit.unit for unit in self._units], clause.value, clause.low, clause.high)
            return
        meant = self._meant.get(clause.unit)
        if meant is None:
            meant = self._meant[clause.unit] = self._meanings(*clause.unit)
        for (system, code), units in meant.items():
            numbers = self._convert(clause, system, code)
            if numbers is not None:
                yield Amount(units, *numbers)

    def _follow(self, reader: Reader) -> None:
        newest = reader.rows(Sql("SELECT max(unit) FROM unit"))[0][0] or 0
        if newest != self._newest:
            self._units = [_Unit(*row) for row in reader.rows(Sql("SELECT unit, system, code, name FROM unit"))]
            self._meant.clear()
            self._newest = newest

    def _meanings(self, system: str | None, code: str) -> dict[tuple[str, str], list[int]]:
        """The units that are this one, under ("", ""), and those that it can be converted to, under system and code."""
        found: dict[tuple[str, str], list[int]] = {}
        for unit in self._units:
            if (code in (unit.code, unit.name)) if system is None else (system, code) == (unit.system, unit.code):
                found.setdefault(("", ""), []).append(unit.unit)
            elif system is not None and unit.code and self._in_unit(1.0, system, code, unit) is not None:
                found.setdefault((unit.system, unit.code), []).append(unit.unit)
        return found

    def _in_unit(self, value: float, system: str, code: str, unit: _Unit) -> float | None:
        return self._converter.convert(value, system, code, unit.system, unit.code) if self._converter else None

    def _convert(self, clause: QuantityIs, system: str, code: str) -> tuple[float, float, float] | None:
        if (system, code) == ("", "") or self._converter is None or clause.unit is None:
            return clause.value, clause.low, clause.high
        convert = self._converter.convert
        asked_system, asked_code = clause.unit[0] or "", clause.unit[1]
        value = convert(clause.value, asked_system, asked_code, system, code)
        low = convert(clause.low, asked_system, asked_code, system, code)
        high = convert(clause.high, asked_system, asked_code, system, code)
        return None if value is None or low is None or high is None else (value, low, high)
