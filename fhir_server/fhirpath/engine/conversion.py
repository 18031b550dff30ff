"""A collection where a single value is needed (https://hl7.org/fhirpath/#singleton-evaluation-of-collections)."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from fhir_server.fhirpath.engine.items import Item, Node, describe, named, system_type_of, system_value
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.model import Model
from fhir_server.fhirpath.quantity import implicit
from fhir_server.fhirpath.temporal import Temporal


def only(items: Sequence[Item], what: str) -> Item | None:
    """The one item, None where there is none. FhirPathError where there are several."""
    if len(items) > 1:
        raise FhirPathError("execution", f"{what} needs a single item, but there are {len(items)}")
    return items[0] if items else None


def value_of(model: Model, items: Sequence[Item], what: str) -> Any:
    """The System value of the one item; None where there is none. FhirPathError where there are several."""
    item = only(items, what)
    return None if item is None else system_value(model, item)


def single(model: Model, items: Sequence[Item], expected: str, what: str) -> Any:
    """The one item as a System value of the expected type (String, Integer, Decimal, Quantity…); None for none.

    FhirPathError for several items, or one of another type that does not convert implicitly.
    """
    item = only(items, what)
    if item is None:
        return None
    value = system_value(model, item)
    if value is None:
        if isinstance(item, Node) and (model.is_primitive(item.type) or model.system_type(item.type)):
            return None
        raise _wrong(what, expected, item)
    found = _implicit(value, expected)
    if found is None:
        raise _wrong(what, expected, item)
    return found


def _wrong(what: str, expected: str, item: Item) -> FhirPathError:
    return FhirPathError("execution", f"{what} needs {named(expected)}, but there is {describe([item])}")


def _implicit(value: Any, expected: str) -> Any:
    if system_type_of(value) == expected:
        return value
    number = isinstance(value, (int, Decimal)) and not isinstance(value, bool)
    if expected == "Decimal" and number:
        return Decimal(value)
    if expected == "Integer" and isinstance(value, int) and number:
        return value
    if expected == "Quantity":
        return implicit(value)
    if expected == "DateTime" and isinstance(value, Temporal) and value.kind == "date":
        return value._replace(kind="dateTime")
    return None


def boolean(model: Model, items: Sequence[Item], what: str) -> bool | None:
    """The collection as a Boolean: None for empty, the value of a single Boolean, True for a single other item."""
    if not items:
        return None
    item = only(items, what)
    assert item is not None
    value = system_value(model, item)
    if isinstance(value, bool):
        return value
    if isinstance(item, Node) and item.type == "boolean":
        return None  # an element with extensions only has no value to decide by
    return True


def strict_boolean(model: Model, item: Item, what: str) -> bool | None:
    """One item that has to be a Boolean."""
    return single(model, [item], "Boolean", what)
