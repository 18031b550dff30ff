"""Operators on collections (https://hl7.org/fhirpath/#operations)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from fhir_server.fhirpath import numbers, quantity
from fhir_server.fhirpath.calendar import add_quantity
from fhir_server.fhirpath.engine.conversion import only, single, value_of
from fhir_server.fhirpath.engine.distinct import Distinct
from fhir_server.fhirpath.engine.equality import equal, equal_items, equivalent, order_of, ordered_value
from fhir_server.fhirpath.engine.frame import Frame
from fhir_server.fhirpath.engine.items import Item, Node, describe, named, system_type_of, type_name_of
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.numbers import Long
from fhir_server.fhirpath.quantity import Quantity
from fhir_server.fhirpath.strings import limited
from fhir_server.fhirpath.temporal import Temporal

if TYPE_CHECKING:
    from fhir_server.fhirpath.engine.compile import Closure, Compiler

Truth = bool | None
Operation = Callable[[Model, list[Item], list[Item], Frame], list[Item]]


def _and(left: Callable[[], Truth], right: Callable[[], Truth]) -> Truth:
    a = left()
    if a is False:
        return False
    b = right()
    return False if b is False else None if a is None or b is None else True


def _or(left: Callable[[], Truth], right: Callable[[], Truth]) -> Truth:
    a = left()
    if a is True:
        return True
    b = right()
    return True if b is True else None if a is None or b is None else False


def _xor(left: Callable[[], Truth], right: Callable[[], Truth]) -> Truth:
    a, b = left(), right()
    return None if a is None or b is None else a is not b


def _implies(left: Callable[[], Truth], right: Callable[[], Truth]) -> Truth:
    a = left()
    if a is False:
        return True
    b = right()
    return True if b is True else None if a is None or b is None else False


LOGIC: dict[str, Callable[[Callable[[], Truth], Callable[[], Truth]], Truth]] = {
    "and": _and,
    "or": _or,
    "xor": _xor,
    "implies": _implies,
}


def _truth(result: Truth) -> list[Item]:
    return [] if result is None else [result]


def _equals(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
    return _truth(equal(model, left, right))


def _differs(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
    result = equal(model, left, right)
    return [] if result is None else [not result]


def _is_equivalent(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
    frame.shared.budget.spend(len(left) * len(right))
    return [equivalent(model, left, right)]


def _is_not_equivalent(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
    frame.shared.budget.spend(len(left) * len(right))
    return [not equivalent(model, left, right)]


def _ordering(operator: str, orders: tuple[int, ...]) -> Operation:
    def compare(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
        a, b = only(left, f"`{operator}`"), only(right, f"`{operator}`")
        if a is None or b is None:
            return []
        x, y = ordered_value(model, a, operator), ordered_value(model, b, operator)
        if x is None or y is None:
            return []
        order = order_of(x, y, operator)
        return [] if order is None else [order in orders]

    return compare


def united(model: Model, frame: Frame, *collections: list[Item]) -> list[Item]:
    """The items of all collections, each once."""
    seen = Distinct(model, frame.shared.budget)
    return [item for items in collections for item in items if seen.add(item)]


def _union(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
    return united(model, frame, left, right)


def _membership(model: Model, item: list[Item], collection: list[Item], operator: str) -> list[Item]:
    wanted = only(item, f"`{operator}`")
    if wanted is None:
        return []
    return [any(equal_items(model, wanted, other) is True for other in collection)]


def _in(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
    return _membership(model, left, right, "in")


def _contains(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
    return _membership(model, right, left, "contains")


def _concatenate(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
    a, b = single(model, left, "String", "`&`"), single(model, right, "String", "`&`")
    frame.shared.budget.spend((len(a or "") + len(b or "")) // 16)
    return [limited((a or "") + (b or ""))]


def _checked_integer(value: int, *operands: int) -> list[Item]:
    if any(isinstance(operand, Long) for operand in operands):
        return [Long(value)] if numbers.is_long(value) else []
    return [value] if numbers.is_integer(value) else []


def _decimal_result(value: Decimal | None) -> list[Item]:
    return [] if value is None else [value]


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_integer(value) or isinstance(value, Decimal)


_INTEGER: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
}
_DECIMAL: dict[str, Callable[[Decimal, Decimal], Decimal | None]] = {
    "+": numbers.add,
    "-": numbers.subtract,
    "*": numbers.multiply,
    "/": numbers.divide,
    "div": numbers.truncated_divide,
    "mod": numbers.remainder,
}
_QUANTITY: dict[str, Callable[[Quantity, Quantity], Quantity | None]] = {
    "+": quantity.add,
    "-": lambda a, b: quantity.add(a, b._replace(value=-b.value)),
    "*": quantity.multiply,
    "/": quantity.divide,
}


def _arithmetic(operator: str) -> Operation:
    def operate(model: Model, left: list[Item], right: list[Item], frame: Frame) -> list[Item]:
        what = f"`{operator}`"
        a, b = value_of(model, left, what), value_of(model, right, what)
        if a is None or b is None:
            for items in (left, right):
                if items and isinstance(items[0], Node) and not model.system_type(items[0].type):
                    raise FhirPathError("execution", f"{what} does not apply to {describe(items)}")
            return []
        result = calculate(operator, a, b)
        if result and isinstance(result[0], str):
            frame.shared.budget.spend(len(result[0]) // 16)
        if result is None:
            raise FhirPathError(
                "execution", f"{what} does not apply to {named(system_type_of(a))} and {named(system_type_of(b))}"
            )
        return result

    return operate


def calculate(operator: str, a: Any, b: Any) -> list[Item] | None:
    """The result for two System values, [] where it can't be represented; None for types it does not apply to."""
    if _is_number(a) and _is_number(b):
        if _is_integer(a) and _is_integer(b):
            if operator in _INTEGER:
                return _checked_integer(_INTEGER[operator](a, b), a, b)
            if operator in ("div", "mod"):
                whole = _DECIMAL[operator](Decimal(a), Decimal(b))
                return [] if whole is None else _checked_integer(int(whole), a, b)
        return _decimal_result(_DECIMAL[operator](Decimal(a), Decimal(b)))
    if operator == "+" and isinstance(a, str) and isinstance(b, str):
        return [limited(a + b)]
    if isinstance(a, Temporal) and isinstance(b, Quantity) and operator in ("+", "-"):
        moved = add_quantity(a, b if operator == "+" else b._replace(value=-b.value))
        return [moved]
    if operator in _QUANTITY and (isinstance(a, Quantity) or isinstance(b, Quantity)):
        first, second = quantity.implicit(a), quantity.implicit(b)
        if first is not None and second is not None:
            result = _QUANTITY[operator](first, second)
            return [] if result is None else [result]
    return None


def polarity(model: Model, items: list[Item], negative: bool) -> list[Item]:
    """+items or -items."""
    value = value_of(model, items, "Polarity")
    if value is None:
        return []
    if isinstance(value, Quantity):
        return [value._replace(value=-value.value) if negative else value]
    if not _is_number(value):
        sign = "-" if negative else "+"
        raise FhirPathError(
            "execution", f"`{sign}` does not apply to {named(system_type_of(value))}; mind that `.` binds tighter"
        )
    if not negative:
        return [value]
    return _checked_integer(-value, value) if _is_integer(value) else [-value]


OPERATORS: dict[str, Operation] = {
    "=": _equals,
    "!=": _differs,
    "~": _is_equivalent,
    "!~": _is_not_equivalent,
    "<": _ordering("<", (-1,)),
    "<=": _ordering("<=", (-1, 0)),
    ">": _ordering(">", (1,)),
    ">=": _ordering(">=", (0, 1)),
    "|": _union,
    "in": _in,
    "contains": _contains,
    "&": _concatenate,
} | {operator: _arithmetic(operator) for operator in _DECIMAL}


def is_of_type(model: Model, item: Item, type_name: str, *, exact_primitives: bool) -> bool:
    """Whether an item has a type or specialises it.

    exact_primitives: a code is no string, as `as` and ofType() have it; `is` goes by inheritance.
    """
    found = type_name_of(item)
    if exact_primitives and model.is_primitive(type_name):
        return found == type_name
    if found == "System.Long" and type_name == "System.Integer":
        return False
    return model.is_subtype(found, type_name)


def type_operation(compiler: Compiler, operator: str, source: Closure, specifier: str, position: int) -> Closure:
    """is, as and ofType, as operators and as functions."""
    model, strict = compiler.model, compiler.strict
    type_name = model.type_named(specifier, position) if strict else model.lenient_type(specifier, position)
    what = f"`{operator}`"

    def is_type(frame: Frame) -> list[Item]:
        item = only(source(frame), what)
        return [] if item is None else [is_of_type(model, item, type_name, exact_primitives=False)]

    def as_type(frame: Frame) -> list[Item]:
        items = source(frame)
        if strict and operator == "as":
            only(items, what)
        return [item for item in items if is_of_type(model, item, type_name, exact_primitives=True)]

    return is_type if operator == "is" else as_type
