"""A ViewDefinition that was read: what its elements say, free of JSON.

https://sql-on-fhir.org/ig/latest/StructureDefinition-ViewDefinition.html
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple


class Column(NamedTuple):
    """One column: its FHIRPath, its FHIR type, and whether it holds a list of values."""

    name: str
    path: str
    type: str
    collection: bool


class Select(NamedTuple):
    """One select: iteration is "" | forEach | forEachOrNull | repeat, paths are what it iterates over.

    place: FHIRPath of the select within the ViewDefinition, for messages.
    """

    iteration: str
    paths: tuple[str, ...]
    columns: tuple[Column, ...]
    selects: tuple[Select, ...]
    unions: tuple[Select, ...]
    place: str

    def all_columns(self) -> Iterator[Column]:
        """Its columns, those of the selects below, and those of the first branch of its union, in order."""
        yield from self.columns
        for select in self.selects:
            yield from select.all_columns()
        if self.unions:
            yield from self.unions[0].all_columns()


class View(NamedTuple):
    """A view of one resource type. constants: name -> (FHIR type, JSON value); json: as it was given."""

    name: str
    resource: str
    selects: tuple[Select, ...]
    where: tuple[str, ...]
    constants: dict[str, tuple[str, Any]]
    json: dict[str, Any]

    @property
    def columns(self) -> tuple[Column, ...]:
        """All columns, in the order of the table."""
        return tuple(column for select in self.selects for column in select.all_columns())


ROW_INDEX = "rowIndex"  # %rowIndex, the position of an item in what is iterated over
