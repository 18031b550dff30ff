"""An expression's value in SQL, and the pieces of SQL that are written of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from fhir_server.views.sql.shape import NotInSqlError, Shape


class Value(NamedTuple):
    """SQL of what an expression gives.

    many: the SQL is a list without NULLs, where NULL stands for an empty one; else it is one value, NULL for none.
    type: FHIR or System type; shape: what is read of a complex one. alternatives: those of a choice, type -> Value,
    where only one of them can be there; such a value has no SQL of its own.
    """

    sql: str
    type: str
    many: bool = False
    shape: Shape | None = None
    alternatives: Mapping[str, Callable[[], Value]] | None = None

    @property
    def exists(self) -> str:
        """Whether there is any: never NULL."""
        if self.alternatives is not None:
            return "(" + " OR ".join(each().exists for each in self.alternatives.values()) + ")"
        return f"(coalesce(len({self.sql}), 0) > 0)" if self.many else f"({self.sql} IS NOT NULL)"

    @property
    def listed(self) -> str:
        """The SQL of a list."""
        self.plain()
        return self.sql if self.many else f"CASE WHEN {self.sql} IS NULL THEN NULL ELSE [{self.sql}] END"

    def plain(self) -> Value:
        """Itself; NotInSqlError for a choice whose type is open."""
        if self.alternatives is not None:
            raise NotInSqlError("a choice of types without ofType()")
        return self

    def single(self, what: str) -> Value:
        """Itself as one value; where it has several the query fails and says what takes one only."""
        self.plain()
        if not self.many:
            return self
        message = text(f"{what} takes one value, and finds several")
        return self._replace(
            sql=f"CASE WHEN len({self.sql}) > 1 THEN error({message}) ELSE {self.sql}[1] END", many=False
        )


def text(value: str) -> str:
    """A text as an SQL literal."""
    if "\0" in value:
        raise NotInSqlError("a text with a NUL character")
    return "'" + value.replace("'", "''") + "'"


def name(value: str) -> str:
    """A name as an SQL identifier."""
    return '"' + value.replace('"', '""') + '"'


def literal(value: Any) -> str:
    """A number, a boolean or a text as SQL."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"CAST({value} AS DOUBLE)"
    if isinstance(value, (int, float)):
        return str(value)
    return text(str(value))
