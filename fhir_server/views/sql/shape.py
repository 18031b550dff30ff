"""What a query reads of a resource: a tree of its elements, which becomes the structure of one json_transform.

Only what a view names is taken out of the JSON, in one pass over it.
"""

from __future__ import annotations

import json
from typing import Any

from fhir_server.fhirpath.model import Model

NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt", "integer64"})


class NotInSqlError(Exception):
    """An expression has no SQL form here."""


def sql_type(model: Model, type: str) -> str:
    """The DuckDB type of a FHIR or System type's values."""
    system = model.system_type(type)
    if type in NUMBERS or system in ("System.Integer", "System.Long"):
        return "BIGINT"
    return {"System.Decimal": "DOUBLE", "System.Boolean": "BOOLEAN"}.get(system, "VARCHAR")


class Shape:
    """An element of a FHIR type that is read, and those below it by their JSON names."""

    def __init__(self, type: str) -> None:
        self.type = type
        self._below: dict[str, tuple[Shape, bool]] = {}

    def below(self, name: str, type: str, repeats: bool) -> Shape:
        """The element with this JSON name; it is read from now on."""
        found = self._below.get(name)
        if found is None:
            found = self._below[name] = (Shape(type), repeats)
        return found[0]

    def structure(self, model: Model) -> str:
        """The structure that json_transform takes, as JSON."""
        return json.dumps(self._structure(model))

    def _structure(self, model: Model) -> Any:
        if model.is_primitive(self.type):
            return sql_type(model, self.type)
        if not self._below:
            return "JSON"
        below = {name: (shape._structure(model), repeats) for name, (shape, repeats) in self._below.items()}
        return {name: [structure] if repeats else structure for name, (structure, repeats) in below.items()}
