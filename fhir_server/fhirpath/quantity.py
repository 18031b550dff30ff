"""Quantities with units of UCUM or of the calendar (https://hl7.org/fhirpath/#quantity)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

# calendar unit in singular -> the UCUM unit that it equals for definite durations, or is only equivalent to
CALENDAR_TO_UCUM = {
    "year": "a", "month": "mo", "week": "wk", "day": "d",
    "hour": "h", "minute": "min", "second": "s", "millisecond": "ms",
}  # fmt: skip
CALENDAR_UNITS: dict[str, str] = {name: name for name in CALENDAR_TO_UCUM} | {
    f"{name}s": name for name in CALENDAR_TO_UCUM
}


class Quantity(NamedTuple):
    """value and unit; unit is a UCUM code where ucum, else a calendar unit as it was written (day, days)."""

    value: Decimal
    unit: str
    ucum: bool = False

    def __str__(self) -> str:
        return f"{self.value} '{self.unit}'" if self.ucum else f"{self.value} {self.unit}"
