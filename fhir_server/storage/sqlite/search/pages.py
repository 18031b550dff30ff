"""A page of a query."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Page, Query
from fhir_server.storage import cursors
from fhir_server.storage.cursors import LAST_PAGE, Position
from fhir_server.storage.sqlite.schema import METHODS
from fhir_server.storage.sqlite.search.condition import Condition
from fhir_server.storage.sqlite.search.counting import count, count_free
from fhir_server.storage.sqlite.search.includes import included
from fhir_server.storage.sqlite.search.keys import Key
from fhir_server.storage.sqlite.search.one_token import of_one_token
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sorted import ROW, in_order
from fhir_server.storage.sqlite.search.window import Window


def page(query: Query, scope: Scope) -> Page:
    """The page that the query's cursor asks for."""
    if (first := of_one_token(query, scope.reader)) is not None:
        return first
    condition = scope.compile(query.where)
    if query.only_count or query.count <= 0:
        return Page([], [], total=count(scope, condition))
    keys = [Key(scope, key) for key in query.sort]
    cursor = cursors.read(query.cursor, [key.kind_of_value for key in keys])
    rows = in_order(scope, condition, keys, Window(query.count + 1, cursor.position, cursor.backward))
    more = len(rows) > query.count
    rows = rows[: query.count]
    if cursor.backward:
        rows.reverse()
    alone = not more and cursor.place == cursors.FIRST
    elsewhere = condition if query.matches_once and not alone else None
    return Page(
        _versions(rows, scope),
        included(query, scope, rows, elsewhere) if query.includes and rows else [],
        *cursors.neighbours(cursor, more, [_position(row) for row in (rows[:1] + rows[-1:])]),
        last="" if alone else LAST_PAGE,
        total=len(rows) if alone else _total(query, scope, condition),
    )


def _versions(rows: Iterable[tuple], scope: Scope) -> list[StoredVersion]:
    names = {type_id: name for name, type_id in scope.types.items()}
    return [StoredVersion(names[row[0]], row[1], row[2], row[3], row[4], METHODS[row[5]], row[6]) for row in rows]


def _total(query: Query, scope: Scope, condition: Condition) -> int | None:
    return count_free(scope, condition) if query.total == "none" else count(scope, condition)


def _position(row: tuple) -> Position:
    return Position(row[ROW:], row[ROW - 1])
