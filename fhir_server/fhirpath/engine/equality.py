"""Equality, equivalence and order of items and collections (https://hl7.org/fhirpath/#equality, #comparison)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fhir_server.fhirpath import numbers, quantity, temporal
from fhir_server.fhirpath.engine.items import (
    Item,
    Node,
    TypeInfo,
    children,
    describe,
    named,
    system_type_of,
    system_value,
)
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.quantity import Quantity
from fhir_server.fhirpath.temporal import Temporal

_NUMBERS = (int, Decimal)
_WHITE_SPACE = re.compile(r"\s")


def _is_number(value: Any) -> bool:
    return isinstance(value, _NUMBERS) and not isinstance(value, bool)


def _quantities(left: Any, right: Any) -> tuple[Quantity, Quantity] | None:
    """Two values of which one at least is a Quantity, as Quantities; None where the other does not convert."""
    first, second = quantity.implicit(left), quantity.implicit(right)
    return (first, second) if first is not None and second is not None else None


def _equal_values(left: Any, right: Any) -> bool | None:
    """Two System values; None where precision or units leave it open."""
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        both = _quantities(left, right)
        if both is None:
            return False
        order = quantity.compare(*both)
        return None if order is None else order == 0
    if isinstance(left, Temporal) and isinstance(right, Temporal):
        if (left.kind == "time") != (right.kind == "time"):
            return False
        order = temporal.compare(left, right)
        return None if order is None else order == 0
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return left == right


def equal_items(model: Model, left: Item, right: Item) -> bool | None:
    """Whether two items are equal; None where it can't be known."""
    if left is right:
        return True
    if isinstance(left, TypeInfo) or isinstance(right, TypeInfo):
        return left == right
    a, b = system_value(model, left), system_value(model, right)
    if a is not None and b is not None:
        return _equal_values(a, b)
    if _lacks_value(model, left) or _lacks_value(model, right):
        return True if _is_same(left, right) else None
    if isinstance(left, Node) and isinstance(right, Node):
        return _equal_nodes(model, left, right)
    return False


def _lacks_value(model: Model, item: Item) -> bool:
    """Whether this is a primitive with extensions only: what its value would be is not known."""
    return isinstance(item, Node) and item.value is None and model.is_primitive(item.type)


def _is_same(left: Item, right: Item) -> bool:
    if not (isinstance(left, Node) and isinstance(right, Node)):
        return False
    return left.type == right.type and left.value is right.value is None and left.twin == right.twin


def _equal_nodes(model: Model, left: Node, right: Node) -> bool | None:
    if model.is_primitive(left.type) or model.is_primitive(right.type):
        return False
    if left.value == right.value:
        return True
    a, b = _by_name(children(model, left)), _by_name(children(model, right))
    if a.keys() != b.keys():
        return False
    unknown = False
    for name, items in a.items():
        result = equal(model, items, b[name])
        if result is False:
            return False
        unknown = unknown or result is None
    return None if unknown else True


def _by_name(items: Sequence[Item]) -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    for item in items:
        if isinstance(item, Node):
            found.setdefault(item.name, []).append(item)
    return found


def equal(model: Model, left: Sequence[Item], right: Sequence[Item]) -> bool | None:
    """left = right; None for empty."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    unknown = False
    for a, b in zip(left, right, strict=True):
        result = equal_items(model, a, b)
        if result is False:
            return False
        unknown = unknown or result is None
    return None if unknown else True


def equivalent_items(model: Model, left: Item, right: Item) -> bool:
    """left ~ right for two items."""
    if left is right:
        return True
    if isinstance(left, TypeInfo) or isinstance(right, TypeInfo):
        return left == right
    a, b = system_value(model, left), system_value(model, right)
    if a is not None and b is not None:
        return _equivalent_values(a, b)
    if not (isinstance(left, Node) and isinstance(right, Node)):
        return False
    first, second = _by_name(children(model, left)), _by_name(children(model, right))
    return first.keys() == second.keys() and all(equivalent(model, first[name], second[name]) for name in first)


def _equivalent_values(left: Any, right: Any) -> bool:
    if isinstance(left, str) and isinstance(right, str):
        return _folded(left) == _folded(right)
    if _is_number(left) and _is_number(right):
        return numbers.equivalent(Decimal(left), Decimal(right))
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        both = _quantities(left, right)
        return both is not None and quantity.equivalent(*both)
    return _equal_values(left, right) is True


def _folded(text: str) -> str:
    return _WHITE_SPACE.sub(" ", text).casefold()


def equivalent(model: Model, left: Sequence[Item], right: Sequence[Item]) -> bool:
    """left ~ right; order plays no part."""
    if len(left) != len(right):
        return False
    rest = list(right)
    for item in left:
        for index, other in enumerate(rest):
            if equivalent_items(model, item, other):
                del rest[index]
                break
        else:
            return False
    return True


def order_of(left: Any, right: Any, operator: str) -> int | None:
    """-1, 0 or 1 for two System values; None where it can't be known. FhirPathError for types without an order."""
    if _is_number(left) and _is_number(right):
        return -1 if left < right else 0 if left == right else 1
    if isinstance(left, Quantity) or isinstance(right, Quantity):
        both = _quantities(left, right)
        if both is not None:
            return quantity.compare(*both)
    elif isinstance(left, str) and isinstance(right, str):
        return -1 if left < right else 0 if left == right else 1
    elif isinstance(left, Temporal) and isinstance(right, Temporal) and (left.kind == "time") == (right.kind == "time"):
        return temporal.compare(left, right)
    raise FhirPathError(
        "execution", f"`{operator}` does not apply to {named(system_type_of(left))} and {named(system_type_of(right))}"
    )


def ordered_value(model: Model, item: Item, operator: str) -> Any:
    """The System value of an item that is to be compared; None for a primitive without value."""
    value = system_value(model, item)
    if value is None and not (
        isinstance(item, Node) and (model.is_primitive(item.type) or model.system_type(item.type))
    ):
        raise FhirPathError("execution", f"`{operator}` does not apply to {describe([item])}")
    return value
