"""Quantity clauses."""

from __future__ import annotations

from fhir_server.core.query import QuantityIs
from fhir_server.storage.sqlite.search.comparisons import NUMBERS, number_values
from fhir_server.storage.sqlite.search.condition import Condition, Never
from fhir_server.storage.sqlite.search.logic import any_of
from fhir_server.storage.sqlite.search.ranges import Range
from fhir_server.storage.sqlite.search.scope import Scope


def quantity_is(clause: QuantityIs, scope: Scope) -> Condition:
    """A row of quantity in one of the units that can be meant, with the numbers in that unit."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    comparison = NUMBERS[clause.comparator]
    return any_of(
        [
            Range(scope, "quantity", fields, comparison, number_values(value, low, high), units, clause.unit is None)
            for units, value, low, high in scope.units.amounts(clause, scope.reader)
        ]
    )
