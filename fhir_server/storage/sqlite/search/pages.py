"""A page of a query."""

from __future__ import annotations

from collections.abc import Iterable

from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Page, Query
from fhir_server.storage.sqlite.schema import METHODS
from fhir_server.storage.sqlite.search import cursors
from fhir_server.storage.sqlite.search.condition import Condition
from fhir_server.storage.sqlite.search.counting import count, count_free
from fhir_server.storage.sqlite.search.includes import included
from fhir_server.storage.sqlite.search.keys import Key
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sorted import ROW, in_order
from fhir_server.storage.sqlite.search.window import Position, Window

FIRST, LAST = cursors.write(cursors.FIRST), cursors.write(cursors.LAST)


def page(query: Query, scope: Scope) -> Page:
    """The page that the query's cursor asks for."""
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
    return Page(
        _versions(rows, scope),
        included(query, scope, rows) if query.includes and rows else [],
        *_links(rows, more, cursor),
        last="" if alone else LAST,
        total=len(rows) if alone else _total(query, scope, condition),
    )


def _versions(rows: Iterable[tuple], scope: Scope) -> list[StoredVersion]:
    names = {type_id: name for name, type_id in scope.types.items()}
    return [StoredVersion(names[row[0]], row[1], row[2], row[3], row[4], METHODS[row[5]], row[6]) for row in rows]


def _total(query: Query, scope: Scope, condition: Condition) -> int | None:
    return count_free(scope, condition) if query.total == "none" else count(scope, condition)


def _links(rows: list[tuple], more: bool, cursor: cursors.Cursor) -> tuple[str, str, str]:
    """The cursors of the next, the previous and the first page; more: there are matches past the rows, as read."""
    if not rows:
        # what was here has gone: back to the nearest end
        if cursor.place == cursors.AFTER:
            return "", LAST, FIRST
        return (FIRST, "", FIRST) if cursor.place == cursors.BEFORE else ("", "", "")
    back = more if cursor.backward else cursor.place == cursors.AFTER
    on = cursor.place == cursors.BEFORE if cursor.backward else more
    return (
        cursors.write(cursors.AFTER, _position(rows[-1])) if on else "",
        cursors.write(cursors.BEFORE, _position(rows[0])) if back else "",
        FIRST if back or on else "",
    )


def _position(row: tuple) -> Position:
    return Position(row[ROW:], row[ROW - 1])
