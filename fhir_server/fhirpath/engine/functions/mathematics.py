"""Math (https://hl7.org/fhirpath/#math)."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, Decimal
from typing import Any

from fhir_server.fhirpath import numbers
from fhir_server.fhirpath.engine.conversion import single, value_of
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.functions.function import Function
from fhir_server.fhirpath.engine.items import Item, describe, named, system_type_of
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.quantity import Quantity

Items = list[Item]


def _number(model: Model, items: Items, name: str) -> Any:
    """The single Integer, Decimal or Quantity; None for empty."""
    value = value_of(model, items, f"{name}()")
    if value is None:
        if items:
            single(model, items, "Decimal", f"{name}()")
        return None
    if isinstance(value, bool) or not isinstance(value, (int, Decimal, Quantity)):
        raise FhirPathError("execution", f"{name}() needs a number, but there is {describe(items)}")
    return value


def _to_integer(name: str, rounding: str) -> Function:
    def run(model: Model, frame: Frame, items: Items) -> Items:
        value = _number(model, items, name)
        if value is None:
            return []
        if isinstance(value, Quantity):
            return [value._replace(value=_integral(value.value, rounding))]
        if isinstance(value, int):
            return [value]
        whole = _integral(value, rounding)
        return [int(whole)] if _fits(whole) else []

    return Function(run)


def _integral(value: Decimal, rounding: str) -> Decimal:
    return value.to_integral_value(rounding=rounding)


def _fits(value: Decimal) -> bool:
    # before int(), which would write out all digits of 1E+999999
    return numbers.is_integer(value)


def _abs(model: Model, frame: Frame, items: Items) -> Items:
    value = _number(model, items, "abs")
    if value is None:
        return []
    if isinstance(value, Quantity):
        return [value._replace(value=abs(value.value))]
    found = type(value)(abs(value))
    too_large = isinstance(found, int) and not isinstance(found, numbers.Long) and not numbers.is_integer(found)
    return [] if too_large else [found]


def _round(model: Model, frame: Frame, items: Items, precision: Items | None = None) -> Items:
    value = _number(model, items, "round")
    digits = single(model, precision, "Integer", "The precision of round()") if precision else 0
    if value is None or digits is None:
        return []
    if not 0 <= digits <= 28:
        raise FhirPathError("execution", f"round() takes a precision from 0 to 28, not {digits}")
    number = value.value if isinstance(value, Quantity) else Decimal(value)
    try:
        result = numbers.rounded(number, digits)
    except decimal.DecimalException:
        return []
    return [value._replace(value=result)] if isinstance(value, Quantity) else [result]


def _on_decimal(name: str, call: Callable[..., Decimal | None], arguments: int = 0) -> Function:
    def run(model: Model, frame: Frame, items: Items, *given: Items) -> Items:
        value = single(model, items, "Decimal", f"{name}()")
        values = [single(model, argument, "Decimal", f"The argument of {name}()") for argument in given]
        if value is None or None in values:
            return []
        result = call(value, *values)
        return [] if result is None else [result]

    return Function(run, arguments, arguments)


def _positive(name: str, call: Callable[..., Decimal | None]) -> Callable[..., Decimal | None]:
    def checked(value: Decimal, *arguments: Decimal) -> Decimal | None:
        if value <= 0 or any(argument <= 0 for argument in arguments):
            raise FhirPathError("execution", f"{name}() needs numbers greater than 0")
        return call(value, *arguments)

    return checked


def _power(model: Model, frame: Frame, items: Items, exponent: Items) -> Items:
    value = _number(model, items, "power")
    raised = _number(model, exponent, "power")
    if value is None or raised is None:
        return []
    for operand in (value, raised):
        if isinstance(operand, Quantity):
            raise FhirPathError("execution", f"power() needs numbers, not {named(system_type_of(operand))}")
    result = numbers.power(Decimal(value), Decimal(raised))
    if result is None:
        return []
    whole = isinstance(value, int) and isinstance(raised, int) and raised >= 0 and _fits(result)
    return [int(result) if whole else result]


FUNCTIONS = {
    "abs": Function(_abs),
    "ceiling": _to_integer("ceiling", ROUND_CEILING),
    "floor": _to_integer("floor", ROUND_FLOOR),
    "truncate": _to_integer("truncate", ROUND_DOWN),
    "round": Function(_round, 0, 1),
    "exp": _on_decimal("exp", numbers.exponential),
    "ln": _on_decimal("ln", _positive("ln", numbers.natural_logarithm)),
    "log": _on_decimal("log", _positive("log", numbers.logarithm), 1),
    "power": Function(_power, 1, 1),
    "sqrt": _on_decimal("sqrt", numbers.square_root),
}
