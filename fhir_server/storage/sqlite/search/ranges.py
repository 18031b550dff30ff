"""Date and number clauses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhir_server.core.query import DateIs, NumberIs
from fhir_server.storage.sqlite.search.comparisons import DATES, NUMBERS, Comparison, date_values, number_values
from fhir_server.storage.sqlite.search.condition import Condition, Never, Row
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import TRUE, Sql, conjunction, join, member

WIDE_ROWS = {  # what a row must be to stand in the index of wide ranges, word for word as in the schema
    "date": "{high} - {low} > 86400000000",
    "number": "{high} > {low}",
    "quantity": "{high} > {low}",
}


def date_is(clause: DateIs, scope: Scope) -> Condition:
    """A row of date."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    return Range(scope, "date", fields, DATES[clause.comparator], date_values(clause.low, clause.high))


def number_is(clause: NumberIs, scope: Scope) -> Condition:
    """A row of number."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    values = number_values(clause.value, clause.low, clause.high)
    return Range(scope, "number", fields, NUMBERS[clause.comparator], values)


class Range(Row):
    """A row whose range compares as asked; units: for quantities, those that it may be in; any_unit: they are all."""

    def __init__(
        self,
        scope: Scope,
        table: str,
        fields: Sequence[int],
        comparison: Comparison,
        values: Mapping[str, float],
        units: Sequence[int] = (),
        any_unit: bool = False,
    ) -> None:
        alias = scope.alias()
        test = compared(comparison, values, f"{alias}.low", f"{alias}.high")
        # by resource there are few rows: to look for each unit apart would be slower than to test it
        unit = member(f"+{alias}.unit", units) if units and not any_unit else TRUE
        super().__init__(scope, table, alias, fields, conjunction([unit, test]))
        by_value = [member(f"{alias}.field", fields), member(f"{alias}.unit", units) if units else TRUE, test]
        self._by_value = conjunction(by_value)
        self._ways = comparison.ways
        self._values = values

    def driver(self) -> Sql:
        """The rows by value, each of the ways in turn."""
        return join(" UNION ALL ", [self._by(way.condition, way.values, way.wide) for way in self._ways])

    def _by(self, condition: str, values: str, wide: bool) -> Sql:
        names = {"low": f"{self.alias}.low", "high": f"{self.alias}.high"}
        index = f" INDEXED BY {self.table}_wide" if wide else " NOT INDEXED"
        if wide:
            condition += f" AND {WIDE_ROWS[self.table]}"
        return Sql(
            f"SELECT {self.alias}.rid AS rid FROM {self.table} {self.alias}{index} "
            f"WHERE {self._by_value.text} AND {condition.format(**names)}",
            (*self._by_value.bound, *[self._values[letter] for letter in values]),
        )


def compared(comparison: Comparison, values: Mapping[str, float], low: str, high: str) -> Sql:
    """The test of a range in these two columns."""
    return Sql(comparison.test.format(low=low, high=high), tuple([values[letter] for letter in comparison.values]))
