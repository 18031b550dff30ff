"""Conversion (https://hl7.org/fhirpath/#conversion): iif, toX and convertsToX."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.fhirpath import numbers
from fhir_server.fhirpath.engine.conversion import boolean, only, single, value_of
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import Function
from fhir_server.fhirpath.engine.items import Item
from fhir_server.fhirpath.formats import parse_formatted
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.numbers import Long
from fhir_server.fhirpath.quantity import CALENDAR_UNITS, Quantity, convert, implicit, quantity
from fhir_server.fhirpath.strings import toInteger
from fhir_server.fhirpath.temporal import Temporal, parse_date, parse_date_time, parse_time

Items = list[Item]
Closure = Callable[[Frame], Items]
Convert = Callable[..., Any]

_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})
_ONE, _ZERO = Decimal("1.0"), Decimal("0.0")  # a Boolean as a Decimal
_LONG = re.compile(r"[+\-]?\d{1,19}")
_DECIMAL = re.compile(r"[+\-]?\d{1,40}(?:\.\d{1,40})?")
_QUANTITY = re.compile(r"([+\-]?\d{1,40}(?:\.\d{1,40})?)\s*(?:'([^']+)'|([a-zA-Z]+))?")


def _iif(
    model: Model,
    frame: Frame,
    items: Items,
    criterion: Closure,
    chosen: Closure,
    otherwise: Closure | None = None,
) -> Items:
    only(items, "iif()")
    inner = Frame(items, frame.shared, frame.index, frame.total, frame.variables.copy())
    if boolean(model, criterion(inner), "The criterion of iif()") is True:
        return chosen(inner.branch())
    return otherwise(inner.branch()) if otherwise is not None else []


def _to_boolean(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, Decimal)):
        return True if value == 1 else False if value == 0 else None
    if isinstance(value, str):
        folded = value.lower()
        return True if folded in _TRUE else False if folded in _FALSE else None
    return None


def _to_integer(value: Any) -> int | None:
    if isinstance(value, int):
        return int(value) if numbers.is_integer(value) else None
    return toInteger(value) if isinstance(value, str) else None


def _to_long(value: Any) -> int | None:
    if isinstance(value, str) and _LONG.fullmatch(value):
        value = int(value)
    if isinstance(value, int):
        return Long(value) if abs(value) <= numbers.MAX_LONG else None
    return None


def _to_decimal(value: Any) -> Decimal | None:
    if isinstance(value, bool):
        return _ONE if value else _ZERO
    if isinstance(value, (int, Decimal)):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def _to_quantity(value: Any, unit: str | None = None) -> Quantity | None:
    found = _quantity_of(value)
    if found is None or unit is None:
        return found
    return convert(found, unit)


def _quantity_of(value: Any) -> Quantity | None:
    if isinstance(value, bool):
        return Quantity(_ONE if value else _ZERO, "1", ucum=True)
    found = implicit(value)
    if found is not None:
        return found
    match = _QUANTITY.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        return None
    number, unit, word = match.groups()
    if word is not None:
        return Quantity(Decimal(number), word) if word in CALENDAR_UNITS else None
    return quantity(Decimal(number), unit or "1")


def to_text(value: Any) -> str | None:
    """A System value as toString() writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return numbers.text(value)
    if isinstance(value, Quantity):
        unit = f"'{value.unit}'" if value.ucum else value.unit
        return f"{numbers.text(value.value)} {unit}"
    return str(value)


def _to_date(value: Any, form: str | None = None) -> Temporal | None:
    if isinstance(value, Temporal):
        return Temporal("date", value.parts[:3]) if value.kind != "time" else None
    if not isinstance(value, str):
        return None
    moment = parse_formatted(value, form) if form is not None else parse_date_time(value)
    if form is None and "T" in value:
        return parse_date(value.partition("T")[0]) if moment else None
    return Temporal("date", moment.parts[:3]) if moment else None


def _to_date_time(value: Any, form: str | None = None) -> Temporal | None:
    if isinstance(value, Temporal):
        return value._replace(kind="dateTime") if value.kind != "time" else None
    if not isinstance(value, str):
        return None
    return parse_formatted(value, form) if form is not None else parse_date_time(value)


def _to_time(value: Any) -> Temporal | None:
    if isinstance(value, Temporal):
        return value if value.kind == "time" else None
    return parse_time(value) if isinstance(value, str) else None


_CONVERSIONS: dict[str, tuple[Convert, int]] = {
    "Boolean": (_to_boolean, 0),
    "Integer": (_to_integer, 0),
    "Long": (_to_long, 0),
    "Decimal": (_to_decimal, 0),
    "Quantity": (_to_quantity, 1),
    "String": (to_text, 0),
    "Date": (_to_date, 1),
    "DateTime": (_to_date_time, 1),
    "Time": (_to_time, 0),
}


def _converter(name: str, convert_value: Convert, arguments: int, *, test: bool) -> Function:
    def run(model: Model, frame: Frame, items: Items, *given: Items) -> Items:
        value = value_of(model, items, f"{name}()")
        options = [single(model, argument, "String", f"The argument of {name}()") for argument in given]
        if value is None:
            return [False] if test and items else []
        result = convert_value(value, *options)
        if test:
            return [result is not None]
        return [] if result is None else [result]

    return Function(run, 0, arguments)


FUNCTIONS = {"iif": Function(_iif, 2, 3, scoped=True)}
for _type, (_convert, _arguments) in _CONVERSIONS.items():
    FUNCTIONS[f"to{_type}"] = _converter(f"to{_type}", _convert, _arguments, test=False)
    FUNCTIONS[f"convertsTo{_type}"] = _converter(f"convertsTo{_type}", _convert, _arguments, test=True)
