"""Sets of items by FHIRPath's equality, quick for large collections."""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal
from typing import Any

from fhir_server.fhirpath.engine.equality import equal_items
from fhir_server.fhirpath.engine.frame import Budget
from fhir_server.fhirpath.engine.items import Item, Node, system_value
from fhir_server.fhirpath.model import Model

_DEPTH = 3


class Distinct:
    """A set of items; those that may be equal share a signature, and only they are compared."""

    def __init__(self, model: Model, budget: Budget) -> None:
        self._model = model
        self._budget = budget
        self._values: set[Hashable] = set()
        self._others: dict[Hashable, list[Item]] = {}

    def add(self, item: Item) -> bool:
        """Whether the item was not yet there; it is now."""
        value = self._simple(item)
        if value is not None:
            if value in self._values:
                return False
            self._values.add(value)
            return True
        alike = self._others.setdefault(self._signature(item), [])
        if self._among(alike, item):
            return False
        alike.append(item)
        return True

    def __contains__(self, item: Item) -> bool:
        value = self._simple(item)
        return (
            value in self._values
            if value is not None
            else self._among(self._others.get(self._signature(item), []), item)
        )

    def _among(self, others: list[Item], item: Item) -> bool:
        self._budget.spend(len(others))
        return any(equal_items(self._model, other, item) is True for other in others)

    def _simple(self, item: Item) -> Hashable:
        """What equal items have in common and no others: the value, where equality is Python's."""
        value = system_value(self._model, item)
        if isinstance(value, bool):
            return ("boolean", value)
        return value if isinstance(value, (str, int, Decimal)) else None

    def _signature(self, item: Item) -> Hashable:
        """What equal items have in common, others perhaps too."""
        if isinstance(item, Node) and system_value(self._model, item) is None and isinstance(item.value, dict):
            return _texts(self._model, item.type, item.value, _DEPTH)
        return type(system_value(self._model, item))


def _texts(model: Model, type_name: str, value: dict[str, Any], depth: int) -> Hashable:
    """The strings of an element and of the first elements in it, by name."""
    found: list[Hashable] = []
    for child in model.comparable_children(type_name):
        content = value.get(child.json_name)
        if content is None:
            continue
        if child.text:
            found.append((child.name, str(content)))
        elif depth and child.complex:
            first = content[0] if isinstance(content, list) and content else content
            if isinstance(first, dict):
                found.append((child.name, _texts(model, child.type, first, depth - 1)))
    return tuple(found)
