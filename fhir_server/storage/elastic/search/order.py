"""Sort keys: ascending by the smallest value of a resource, descending by the largest, those without a value last.

Matches with equal keys are in order of `first`, which never changes. A page that is read backward turns every order
round, but not which value counts. Specification: https://hl7.org/fhir/R4/search.html#sort
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_server.core.query import SortKey
from fhir_server.storage.cursors import Position
from fhir_server.storage.elastic import terms
from fhir_server.storage.elastic.encode import point

OWN = {"id": ("id", str), "updated": ("seq", int), "type": ("type", str)}
KINDS: dict[str, tuple[str, type]] = {"date": ("l", int), "number": ("d", float), "quantity": ("d", float)}
TYPES: dict[type, str] = {str: "keyword", int: "long", float: "double"}
NO_INTEGER = 2**62 + 1  # Elasticsearch stands the greatest or least integer for none; no date is so far away


class Order:
    """The sort of one request and what its answers say of positions."""

    def __init__(self, keys: Sequence[SortKey], backward: bool) -> None:
        self._keys = [_Key(key) for key in keys]
        self._backward = backward

    @property
    def kinds(self) -> list[type]:
        """Of the value of each key."""
        return [key.kind for key in self._keys]

    def sort(self) -> list[dict[str, Any]]:
        """As a request has it."""
        return [
            *(part for key in self._keys for part in key.sort(self._backward)),
            {"first": "desc" if self._backward else "asc"},
        ]

    def after(self, position: Position | None) -> dict[str, Any]:
        """The part of a request that says where to begin."""
        if position is None:
            return {}
        values: list[Any] = []
        for key, value in zip(self._keys, position.keys, strict=True):
            values += key.after(value, self._backward)
        return {"search_after": [*values, position.rid]}

    def position(self, sort: Sequence[Any]) -> Position:
        """Where a document of an answer stands."""
        values: list[Any] = []
        at = 0
        for key in self._keys:
            values.append(key.value(sort[at : at + key.width]))
            at += key.width
        return Position(tuple(values), sort[at])


class _Key:
    """One key; `near` takes two places of the sort: whether there is a point at all, and how far it is."""

    def __init__(self, key: SortKey) -> None:
        self._key = key
        self._near = key.kind == "near"
        self.width = 2 if self._near else 1
        if not key.fields and key.kind in OWN:
            self._property, self.kind = OWN[key.kind]
        else:
            prefix, self.kind = KINDS.get(key.kind, ("s", str))
            self._property = f"{prefix}.{terms.sort_name(key.fields)}"
        if self._near:
            self.kind = float

    def _missing(self, backward: bool) -> str:
        return "_first" if backward else "_last"

    def sort(self, backward: bool) -> list[dict[str, Any]]:
        key = self._key
        order = "desc" if key.descending != backward else "asc"
        mode = "max" if key.descending else "min"
        if not self._near:
            how = {
                "order": order, "mode": mode, "missing": self._missing(backward), "unmapped_type": TYPES[self.kind],
            }  # fmt: skip
            return [{self._property: how}]
        name = terms.sort_name(key.fields)
        present = {"order": "desc" if backward else "asc", "missing": self._missing(backward), "unmapped_type": "long"}
        far = {
            f"place.{name}": point(key.latitude, key.longitude),
            "order": order,
            "mode": mode,
            "unit": "m",
            "ignore_unmapped": True,
        }
        return [{f"l.{name}": present}, {"_geo_distance": far}]

    def value(self, sort: Sequence[Any]) -> Any:
        value = sort[-1]
        if self._near:
            return None if abs(sort[0]) >= NO_INTEGER or isinstance(value, str) else float(value)
        if self.kind is int:
            return None if abs(value) >= NO_INTEGER else value
        if self.kind is float:
            return None if isinstance(value, str) else float(value)
        return value

    def after(self, value: Any, backward: bool) -> list[Any]:
        if self._near:
            present = _none(int, False, backward) if value is None else 0
            return [present, "Infinity" if value is None else value]
        if value is None and self.kind is not str:
            return [_none(self.kind, self._key.descending, backward)]
        return [value]


def _none(kind: type, descending: bool, backward: bool) -> Any:
    """What stands for none: at the end of the order, and at its beginning where it is turned round."""
    greatest = not descending  # turned round twice: by the order and by the place of what is missing
    if kind is int:
        return 2**63 - 1 if greatest else -(2**63)
    return "Infinity" if greatest else "-Infinity"
