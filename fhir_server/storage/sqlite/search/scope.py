"""Where a clause is compiled."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Iterator
from typing import TYPE_CHECKING

from fhir_server.core.query import Clause
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.units import UnitTable

if TYPE_CHECKING:
    from fhir_server.storage.sqlite.search.condition import Condition

Compile = Callable[[Clause, "Scope"], "Condition"]


class Scope:
    """The types that a clause speaks of, and what all clauses of one statement share."""

    __slots__ = ("_aliases", "_compile", "_rids", "reader", "type_ids", "types", "units")

    def __init__(
        self,
        reader: Reader,
        units: UnitTable,
        compile_clause: Compile,
        types: dict[str, int],
        aliases: Iterator[int] | None = None,
        rids: dict[tuple[str, str], int | None] | None = None,
    ) -> None:
        self.reader = reader
        self.units = units
        self._compile = compile_clause
        self._aliases = aliases or itertools.count()
        self._rids = {} if rids is None else rids
        self.types = types
        self.type_ids = tuple(types.values())

    def of(self, types: Iterable[str]) -> Scope:
        """The same statement, for clauses of other types."""
        return self._with(self.reader.types(tuple(types)))

    def among(self, types: Container[str]) -> Scope:
        """The same statement, for clauses of those of its types that are among these."""
        return self._with({name: type_id for name, type_id in self.types.items() if name in types})

    def _with(self, types: dict[str, int]) -> Scope:
        return Scope(self.reader, self.units, self._compile, types, self._aliases, self._rids)

    def rid(self, type: str, id: str) -> int | None:
        """The rid of a resource, None where the store has not heard of it; looked up once a statement."""
        if (type, id) not in self._rids:
            self._rids[type, id] = self.reader.known.find_rid(type, id)
        return self._rids[type, id]

    def compile(self, clause: Clause) -> Condition:
        """A clause of these types as SQL."""
        return self._compile(clause, self)

    def alias(self) -> str:
        """A name for a table that no other part of the statement has."""
        return f"x{next(self._aliases)}"

    def fields(self, names: tuple[str, ...], ending: str = "") -> list[int]:
        """The integers of the fields with these names (and this ending) of all the types; [] where none has values."""
        find = self.reader.known.find_field
        found = [find(type_name, name + ending) for type_name in self.types for name in names]
        return [field for field in found if field is not None]
