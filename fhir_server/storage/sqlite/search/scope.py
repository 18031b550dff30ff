"""Where a clause is compiled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from fhir_server.core.query import Clause
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.sql import LISTED
from fhir_server.storage.sqlite.search.units import UnitTable

if TYPE_CHECKING:
    from fhir_server.storage.sqlite.search.condition import Condition

Compile = Callable[[Clause, "Scope"], "Condition"]


class Scope:
    """The types that a clause speaks of, and what all clauses of one statement share."""

    __slots__ = ("_aliases", "_compile", "reader", "type_ids", "types", "units")

    def __init__(
        self,
        reader: Reader,
        units: UnitTable,
        compile_clause: Compile,
        types: Iterable[str],
        aliases: Iterator[int] | None = None,
    ) -> None:
        self.reader = reader
        self.units = units
        self._compile = compile_clause
        self._aliases = aliases or itertools.count()
        self.types = reader.types(tuple(types))
        self.type_ids = tuple(self.types.values())

    def of(self, types: Iterable[str]) -> Scope:
        """The same statement, for clauses of other types."""
        return Scope(self.reader, self.units, self._compile, types, self._aliases)

    def compile(self, clause: Clause) -> Condition:
        """A clause of these types as SQL."""
        return self._compile(clause, self)

    def alias(self) -> str:
        """A name for a table that no other part of the statement has."""
        return f"x{next(self._aliases)}"

    def fields(self, names: tuple[str, ...], ending: str = "") -> list[int]:
        """The integers of the fields with these names (and this ending) of all the types; [] where none has values."""
        if len(self.types) > LISTED:
            return self.reader.fields(self.type_ids, [name + ending for name in names])
        find = self.reader.known.find_field
        found = [find(type_name, name + ending) for type_name in self.types for name in names]
        return [field for field in found if field is not None]
