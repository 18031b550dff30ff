"""Composite clauses: the parts' tests over the columns that they take (schema.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any as Anything

from fhir_server.core.query import (
    All,
    Any,
    Clause,
    CompositeIs,
    DateIs,
    Not,
    NumberIs,
    QuantityIs,
    RefersTo,
    StringIs,
    TokenIn,
    TokenIs,
    UriIs,
)
from fhir_server.storage.sqlite.search.comparisons import DATES, NUMBERS, date_values, number_values
from fhir_server.storage.sqlite.search.condition import Condition, Never, Row
from fhir_server.storage.sqlite.search.ranges import compared
from fhir_server.storage.sqlite.search.references import target_rids
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import FALSE, Sql, conjunction, disjunction, member
from fhir_server.storage.sqlite.search.strings import folded_test
from fhir_server.storage.sqlite.search.tokens import known_terms, terms_of
from fhir_server.storage.sqlite.search.uris import below_test, uri_terms

Columns = Sequence[str]


def composite_is(clause: CompositeIs, scope: Scope) -> Condition:
    """A row of composite; the first part, most often a token, begins the key."""
    fields = scope.fields(clause.fields)
    if not fields:
        return Never()
    alias = scope.alias()
    free = [f"{alias}.{column}" for column in "abcde"]
    tests: list[Sql] = []
    for part in clause.parts:
        width = _width(part)
        test = _test(part, free[:width], scope)
        if test is FALSE:
            return Never()
        tests.append(test)
        free = free[width:]
    return Row(scope, "composite", alias, fields, conjunction(tests))


def _width(part: Clause) -> int:
    """How many columns a part takes."""
    if isinstance(part, All | Any):
        return max((_width(inner) for inner in part.clauses), default=0)
    if isinstance(part, Not):
        return _width(part.clause)
    return WIDTHS[type(part)]


def _test(part: Clause, columns: Columns, scope: Scope) -> Sql:
    """The test of one part over its columns; FALSE where nothing can match."""
    if isinstance(part, Any):
        return disjunction([test for inner in part.clauses if (test := _test(inner, columns, scope)) is not FALSE])
    if isinstance(part, All):
        return conjunction([_test(inner, columns, scope) for inner in part.clauses])
    if isinstance(part, Not):
        test = _test(part.clause, columns, scope)
        return Sql(f"NOT ({test.text})", test.bound)
    return TESTS[type(part)](part, columns, scope)


def _token(part: TokenIs, columns: Columns, scope: Scope) -> Sql:
    if part.code is None:
        if part.system is None:
            return Sql(f"{columns[0]} > 0")
        system = scope.reader.known.find_system(part.system)
        return FALSE if system is None else Sql(f"(SELECT system FROM term WHERE term = {columns[0]}) = ?", (system,))
    return _among(columns[0], terms_of(scope, part.system, part.code))


def _coding(part: TokenIn, columns: Columns, scope: Scope) -> Sql:
    return _among(columns[0], known_terms(scope, part.codings))


def _uri(part: UriIs, columns: Columns, scope: Scope) -> Sql:
    # the terms of addresses are negative
    if part.mode != "below":
        return _among(columns[0], [-term for term in uri_terms(part, scope)])
    version = scope.reader.known.find_system(part.version) if part.version else None
    if part.version and version is None:
        return FALSE
    test = below_test(part.uri, version, "code", "system")
    return Sql(f"-{columns[0]} IN (SELECT term FROM term WHERE {test.text})", test.bound)


def _reference(part: RefersTo, columns: Columns, scope: Scope) -> Sql:
    return _among(columns[0], target_rids(part, scope))


def _among(column: str, values: Sequence[int]) -> Sql:
    return member(column, values) if values else FALSE


def _string(part: StringIs, columns: Columns, scope: Scope) -> Sql:
    return folded_test(part, columns[0])


def _date(part: DateIs, columns: Columns, scope: Scope) -> Sql:
    return compared(DATES[part.comparator], date_values(part.low, part.high), *columns)


def _number(part: NumberIs, columns: Columns, scope: Scope) -> Sql:
    return compared(NUMBERS[part.comparator], number_values(part.value, part.low, part.high), *columns)


def _quantity(part: QuantityIs, columns: Columns, scope: Scope) -> Sql:
    unit, low, high = columns
    comparison = NUMBERS[part.comparator]
    return disjunction(
        [
            conjunction(
                [
                    *([] if part.unit is None else [member(unit, amount.units)]),
                    compared(comparison, number_values(amount.value, amount.low, amount.high), low, high),
                ]
            )
            for amount in scope.units.amounts(part, scope.reader)
        ]
    )


TESTS: dict[type, Callable[[Anything, Columns, Scope], Sql]] = {
    TokenIs: _token,
    TokenIn: _coding,
    UriIs: _uri,
    RefersTo: _reference,
    StringIs: _string,
    DateIs: _date,
    NumberIs: _number,
    QuantityIs: _quantity,
}
WIDTHS: dict[type, int] = {
    TokenIs: 1,
    TokenIn: 1,
    UriIs: 1,
    RefersTo: 1,
    StringIs: 1,
    DateIs: 2,
    NumberIs: 2,
    QuantityIs: 3,
}
