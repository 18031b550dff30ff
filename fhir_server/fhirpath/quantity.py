"""Quantities with units of UCUM or of the calendar: order, equivalence, arithmetic (https://hl7.org/fhirpath/#quantity)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

from fhir_server.definitions import ucum
from fhir_server.fhirpath import numbers

UCUM = "http://unitsofmeasure.org"
CALENDAR = "http://hl7.org/fhirpath/CodeSystem/calendar-units"

# calendar unit, coarse to fine -> the UCUM unit of that name
CALENDAR_TO_UCUM = {
    "year": "a", "month": "mo", "week": "wk", "day": "d",
    "hour": "h", "minute": "min", "second": "s", "millisecond": "ms",
}  # fmt: skip
UCUM_TO_CALENDAR = {code: name for name, code in CALENDAR_TO_UCUM.items()}
CALENDAR_UNITS = {name: name for name in CALENDAR_TO_UCUM} | {f"{name}s": name for name in CALENDAR_TO_UCUM}
# a year and a month of the calendar have no fixed length: they are only equivalent to UCUM's
_INDEFINITE = frozenset({"year", "month"})
# calendar unit -> what it is made of, for conversions inside of the calendar (https://hl7.org/fhirpath/#fn-toquantity)
_PARTS = {
    "year": {"month": Decimal(12), "day": Decimal(365)},
    "month": {"day": Decimal(30)},
    "week": {"day": Decimal(7)},
    "day": {"hour": Decimal(24)},
    "hour": {"minute": Decimal(60)},
    "minute": {"second": Decimal(60)},
    "second": {"millisecond": Decimal(1000)},
}


class Quantity(NamedTuple):
    """value and unit; unit is a UCUM code where ucum, else a calendar unit as it was written (day, days)."""

    value: Decimal
    unit: str
    ucum: bool = False

    def __str__(self) -> str:
        return f"{self.value} '{self.unit}'" if self.ucum else f"{self.value} {self.unit}"

    @property
    def calendar(self) -> str:
        """The calendar unit in singular; "" for a UCUM unit."""
        return "" if self.ucum else CALENDAR_UNITS[self.unit]


def quantity(value: int | Decimal, unit: str) -> Quantity:
    """The quantity of a quoted unit: a calendar unit where it is the name of one, else UCUM."""
    return Quantity(Decimal(value), unit, unit not in CALENDAR_UNITS)


def implicit(value: Any) -> Quantity | None:
    """A Quantity as it is, a number as one of unit 1; None for other values."""
    if isinstance(value, Quantity):
        return value
    number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    return Quantity(Decimal(value), "1", ucum=True) if number else None


def from_fhir(value: dict[str, Any]) -> Quantity | None:
    """A FHIR Quantity as FHIRPath's; None without a value or with a comparator, since then it is no single quantity.

    A code of another system than UCUM stands with its system, so that it equals only itself.
    """
    number = value.get("value")
    if number is None or value.get("comparator"):
        return None
    system, code = value.get("system"), value.get("code")
    number = Decimal(number)
    if abs(number.adjusted()) > numbers.CONTEXT.Emax:
        return None  # beyond what can be calculated with
    if system == CALENDAR and code in CALENDAR_UNITS:
        return Quantity(number, code)
    if system in (None, UCUM):
        return Quantity(number, code or value.get("unit") or "1", ucum=True)
    return Quantity(number, f"{system}|{code}", ucum=True)


def to_fhir(value: Quantity) -> dict[str, Any]:
    """FHIRPath's quantity as a FHIR Quantity."""
    system = UCUM if value.ucum else CALENDAR
    return {"value": value.value, "unit": value.unit, "system": system, "code": value.unit}


def _calendar_convert(value: Decimal, unit: str, target: str) -> Decimal | None:
    """Between calendar units by the shortest chain of _PARTS."""
    if unit == target:
        return value
    down = _factor(unit, target)
    if down is not None:
        return numbers.multiply(value, down)
    up = _factor(target, unit)
    return numbers.divide(value, up) if up is not None else None


def _factor(coarse: str, fine: str) -> Decimal | None:
    parts = _PARTS.get(coarse, {})
    if fine in parts:
        return parts[fine]
    for part in reversed(parts):
        rest = _factor(part, fine)
        if rest is not None:
            return parts[part] * rest
    return None


def convert(value: Quantity, unit: str) -> Quantity | None:
    """The quantity in another unit, toQuantity(unit); None where there is no conversion."""
    target = CALENDAR_UNITS.get(unit, "")
    if value.ucum and not target:
        converted = ucum.convert(value.value, value.unit, unit)
        return Quantity(converted, unit, ucum=True) if converted is not None else None
    # between UCUM and the calendar: convert in the system of the source, then take the unit of the same name
    if value.ucum:
        converted = ucum.convert(value.value, value.unit, CALENDAR_TO_UCUM[target])
        return Quantity(converted, unit) if converted is not None else None
    source_target = target or UCUM_TO_CALENDAR.get(unit, "")
    if not source_target:
        return None
    converted = _calendar_convert(value.value, value.calendar, source_target)
    return Quantity(converted, unit, ucum=not target) if converted is not None else None


def _aligned(left: Quantity, right: Quantity, *, indefinite: bool) -> tuple[Decimal, Decimal, str] | None:
    """Both values in the coarser of the two units, and that unit; None where the units don't convert.

    indefinite: whether a year or month of the calendar may stand for UCUM's.
    """
    if left.unit == right.unit and left.ucum == right.ucum:
        return left.value, right.value, left.unit
    if left.ucum and right.ucum:
        one = ucum.convert(Decimal(1), left.unit, right.unit)
        if one is None:
            return None
        if one >= 1:
            converted = ucum.convert(right.value, right.unit, left.unit)
            return (left.value, converted, left.unit) if converted is not None else None
        converted = ucum.convert(left.value, left.unit, right.unit)
        return (converted, right.value, right.unit) if converted is not None else None
    return _aligned_durations(left, right, indefinite=indefinite)


def _aligned_durations(left: Quantity, right: Quantity, *, indefinite: bool) -> tuple[Decimal, Decimal, str] | None:
    units = []
    for side in (left, right):
        unit = side.calendar or UCUM_TO_CALENDAR.get(side.unit, "")
        if not unit:
            return None
        units.append(unit)
    order = list(CALENDAR_TO_UCUM)
    coarse = min(units, key=order.index)
    values = []
    for side in (left, right):
        converted = convert(side, CALENDAR_TO_UCUM[coarse] if side.ucum else coarse)
        if converted is None:
            return None
        values.append(converted.value)
    if left.ucum != right.ucum and coarse in _INDEFINITE and not indefinite:
        return None
    return values[0], values[1], coarse


def compare(left: Quantity, right: Quantity) -> int | None:
    """-1, 0 or 1; None where the units don't compare."""
    aligned = _aligned(left, right, indefinite=False)
    if aligned is None:
        return None
    a, b, _ = aligned
    return -1 if a < b else 0 if a == b else 1


def equivalent(left: Quantity, right: Quantity) -> bool:
    """Whether they are equal once the more precise is rounded to the other, in the coarser unit."""
    aligned = _aligned(left, right, indefinite=True)
    return aligned is not None and numbers.equivalent(aligned[0], aligned[1])


def comparable(left: Quantity, right: Quantity) -> bool:
    """Whether compare() would say something."""
    return _aligned(left, right, indefinite=False) is not None


def add(left: Quantity, right: Quantity) -> Quantity | None:
    """The sum in the finer unit, of the calendar where one of them is; None where the units don't add up."""
    if left.unit == right.unit and left.ucum == right.ucum:
        total = numbers.add(left.value, right.value)
        return left._replace(value=total) if total is not None else None
    if left.ucum and right.ucum:
        one = ucum.convert(Decimal(1), left.unit, right.unit)
        if one is None or ucum.canonical(left.unit) is None or ucum.canonical(right.unit) is None:
            return None
        finer = left.unit if one <= 1 else right.unit
        a, b = ucum.convert(left.value, left.unit, finer), ucum.convert(right.value, right.unit, finer)
        total = numbers.add(a, b) if a is not None and b is not None else None
        return Quantity(total, finer, ucum=True) if total is not None else None
    units = [side.calendar or UCUM_TO_CALENDAR.get(side.unit, "") for side in (left, right)]
    if "" in units or (units[0] != units[1] and _INDEFINITE & set(units)):
        return None
    if left.ucum != right.ucum and _INDEFINITE & set(units):
        return None
    finer = max(units, key=list(CALENDAR_TO_UCUM).index)
    a, b = convert(left, finer), convert(right, finer)
    total = numbers.add(a.value, b.value) if a is not None and b is not None else None
    return Quantity(total, finer) if total is not None else None


def multiply(left: Quantity, right: Quantity) -> Quantity | None:
    """The product, with the product of the units; None with a calendar unit, or a unit that is none."""
    return _combined(left, right, numbers.multiply, ucum.multiply)


def divide(left: Quantity, right: Quantity) -> Quantity | None:
    """The quotient, with the quotient of the units; None by zero, with a calendar unit, or a unit that is none."""
    return _combined(left, right, numbers.divide, ucum.divide)


def _combined(left: Quantity, right: Quantity, number: Any, unit: Any) -> Quantity | None:
    value = number(left.value, right.value)
    if value is None:
        return None
    if right.unit == "1" and right.ucum:
        return left._replace(value=value)
    if left.unit == "1" and left.ucum and number is numbers.multiply:
        return right._replace(value=value)
    if not (left.ucum and right.ucum):
        return None
    combined = unit(left.unit, right.unit)
    return Quantity(value, combined, ucum=True) if combined is not None else None
