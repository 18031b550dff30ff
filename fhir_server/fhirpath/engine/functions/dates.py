"""Boundaries, precision and parts of dates and numbers (https://hl7.org/fhirpath/#lowboundaryprecision-integer…)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.fhirpath import calendar, quantity
from fhir_server.fhirpath.boundaries import boundary
from fhir_server.fhirpath.engine.conversion import single, value_of
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import Function
from fhir_server.fhirpath.engine.items import Item, describe, named, system_type_of
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.numbers import decimals
from fhir_server.fhirpath.temporal import Temporal

Items = list[Item]


def _boundary(name: str, *, high: bool) -> Function:
    def run(model: Model, frame: Frame, items: Items, precision: Items | None = None) -> Items:
        value = value_of(model, items, f"{name}()")
        digits = single(model, precision, "Integer", f"The precision of {name}()") if precision else None
        if value is None:
            return []
        if isinstance(value, (bool, str)):
            raise FhirPathError("execution", f"{name}() does not apply to {describe(items)}")
        found = boundary(value, digits, high=high)
        return [] if found is None else [found]

    return Function(run, 0, 1)


def _precision(model: Model, frame: Frame, items: Items) -> Items:
    value = value_of(model, items, "precision()")
    if value is None:
        return []
    if isinstance(value, Temporal):
        return [value.digits]
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        return [decimals(Decimal(value))]
    raise FhirPathError("execution", f"precision() does not apply to {describe(items)}")


def _comparable(model: Model, frame: Frame, items: Items, other: Items) -> Items:
    if len(items) != 1 or len(other) != 1:
        return []
    pair = [quantity.implicit(value_of(model, side, "comparable()")) for side in (items, other)]
    left, right = pair
    return [] if left is None or right is None else [quantity.comparable(left, right)]


def _part(name: str, read: Callable[[Temporal], Any]) -> Function:
    def run(model: Model, frame: Frame, items: Items) -> Items:
        value = value_of(model, items, f"{name}()")
        if not isinstance(value, Temporal):
            return []
        found = read(value)
        return [] if found is None else [found]

    return Function(run)


def _number(position: int) -> Callable[[Temporal], int | None]:
    def read(value: Temporal) -> int | None:
        index = position - 3 if value.kind == "time" else position
        return value.parts[index] if 0 <= index < len(value.parts) else None

    return read


def _millisecond(value: Temporal) -> int | None:
    return int(value.fraction[:3].ljust(3, "0")) if value.fraction else None


def _zone(value: Temporal) -> Decimal | None:
    if value.offset is None:
        return None
    hours = Decimal(value.offset) / 60
    return hours if hours != hours.to_integral_value() else hours.quantize(Decimal("0.1"))


def _date(value: Temporal) -> Temporal | None:
    return Temporal("date", value.parts[:3]) if value.kind != "time" else None


def _time(value: Temporal) -> Temporal | None:
    if value.kind == "time" or len(value.parts) < 4:
        return None
    return Temporal("time", value.parts[3:], value.fraction)


def _between(name: str, count: Callable[[Temporal, Temporal, str], int | None]) -> Function:
    def run(model: Model, frame: Frame, items: Items, other: Items, precision: Items) -> Items:
        left, right = value_of(model, items, f"{name}()"), value_of(model, other, f"{name}()")
        unit = single(model, precision, "String", f"The precision of {name}()")
        if left is None or right is None or unit is None:
            return []
        for value in (left, right):
            if not isinstance(value, Temporal):
                raise FhirPathError("execution", f"{name}() does not apply to {named(system_type_of(value))}")
        found = count(left, right, quantity.CALENDAR_UNITS.get(unit) or unit)
        return [] if found is None else [found]

    return Function(run, 2, 2)


FUNCTIONS = {
    "lowBoundary": _boundary("lowBoundary", high=False),
    "highBoundary": _boundary("highBoundary", high=True),
    "precision": Function(_precision),
    "comparable": Function(_comparable, 1, 1),
    "yearOf": _part("yearOf", _number(0)),
    "monthOf": _part("monthOf", _number(1)),
    "dayOf": _part("dayOf", _number(2)),
    "hourOf": _part("hourOf", _number(3)),
    "minuteOf": _part("minuteOf", _number(4)),
    "secondOf": _part("secondOf", _number(5)),
    "millisecondOf": _part("millisecondOf", _millisecond),
    "timezoneOffsetOf": _part("timezoneOffsetOf", _zone),
    "dateOf": _part("dateOf", _date),
    "timeOf": _part("timeOf", _time),
    "duration": _between("duration", calendar.whole_periods),
    "difference": _between("difference", calendar.boundaries_crossed),
}
