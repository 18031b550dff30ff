"""Which part of the matches a page is, and how SQL says so.

Matches are in the order of their keys, those without a key last, and then of rid, which never changes. A page begins
after a position (or ends before it), so pages neither repeat nor skip what stays where it is while others come and go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from fhir_server.storage.cursors import Position
from fhir_server.storage.sqlite.search.sql import FALSE, TRUE, Sql, conjunction, disjunction


class Window(NamedTuple):
    """At most limit matches from a position on, without the one there; backward: before it, the nearest first.

    position None: from the beginning, or backward from the end.
    """

    limit: int
    position: Position | None = None
    backward: bool = False


class Column(NamedTuple):
    """An expression that is sorted by."""

    expression: Sql
    descending: bool


def direction(descending: bool, backward: bool) -> str:
    """Of a column, as ORDER BY has it."""
    return "DESC" if descending != backward else "ASC"


def order_by(columns: Sequence[Column], rid: str, backward: bool) -> str:
    """The whole ORDER BY; columns are given by names, so that nothing is worked out twice."""
    nulls = "FIRST" if backward else "LAST"
    parts = [f"{column.expression.text} {direction(column.descending, backward)} NULLS {nulls}" for column in columns]
    return ", ".join([*parts, f"{rid} {direction(False, backward)}"])


def beyond(columns: Sequence[Column], rid: str, position: Position, backward: bool) -> Sql:
    """The test that a match lies beyond the position."""
    ties: list[Sql] = []
    ways: list[Sql] = []
    for column, value in zip(columns, position.keys, strict=True):
        step = _past(column, value, backward)
        if step is not FALSE:
            ways.append(conjunction([*ties, step]))
        ties.append(Sql(f"{column.expression.text} IS ?", (*column.expression.bound, value)))
    ways.append(conjunction([*ties, Sql(f"{rid} {'<' if backward else '>'} ?", (position.rid,))]))
    return disjunction(ways)


def _past(column: Column, value: Any, backward: bool) -> Sql:
    text, bound = column.expression
    if value is None:
        return Sql(f"{text} IS NOT NULL", bound) if backward else FALSE
    sign = "<" if column.descending != backward else ">"
    if backward:
        return Sql(f"{text} {sign} ?", (*bound, value))
    return Sql(f"({text} {sign} ? OR {text} IS NULL)", (*bound, value, *bound))


def rid_beyond(rid: str, window: Window) -> Sql:
    """The same where there are no keys."""
    if window.position is None:
        return TRUE
    return Sql(f"{rid} {'<' if window.backward else '>'} ?", (window.position.rid,))
