"""Matches in order of sort keys."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.storage.cursors import Position
from fhir_server.storage.sqlite.search.condition import Condition, Never
from fhir_server.storage.sqlite.search.keys import Key, Source
from fhir_server.storage.sqlite.search.logic import AllOf, all_of
from fhir_server.storage.sqlite.search.partitions import in_turn
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, conjunction, member
from fhir_server.storage.sqlite.search.unsorted import driving, many, matches, unsorted
from fhir_server.storage.sqlite.search.updated import Updated
from fhir_server.storage.sqlite.search.window import (
    Column,
    Window,
    beyond,
    direction,
    order_by,
)

KEY = 2  # what it costs to work out a key and to sort by it, in looks into an index table
ROW = 8  # columns of a match before its keys
TURNS = 8  # codes that may bring nothing before their order is given up


def in_order(scope: Scope, condition: Condition, keys: Sequence[Key], window: Window) -> list[tuple]:
    """The rows of a window."""
    if isinstance(condition, Never):
        return []
    if not keys:
        return unsorted(scope, condition, window)
    if many(scope, condition, window.limit, KEY * len(keys)):
        found = _code_by_code(scope, condition, keys, window)
        sources = keys[0].sources() if found is None else []
        if sources:
            found = _walk(scope, sources, condition, keys, window)
        if found is not None:
            return found
    driver, others = driving(condition)
    return scope.reader.rows(matches(_sort(scope, driver, others, keys, window)))


def _sort(scope: Scope, driver: Condition, others: list[Condition], keys: Sequence[Key], window: Window) -> Sql:
    """All matches, sorted."""
    if driver.scans:
        found = Sql("r.live = 1")
        tests = [found, member("r.type", scope.type_ids), driver.probe("r.rid")]
        index = "INDEXED BY resource_live"
    else:
        found = driver.driver()
        tests = [Sql(f"r.rid IN ({found.text})", found.bound)]
        index = "NOT INDEXED"
    where = conjunction([*tests, *[other.probe("r.rid") for other in others]])
    columns = [key.column("r.rid") for key in keys]
    listed = "".join([f", {column.expression.text} AS k{at}" for at, column in enumerate(columns)])
    inner = Sql(
        f"SELECT r.rid AS rid{listed} FROM resource r {index} WHERE {where.text}",
        (*[value for column in columns for value in column.expression.bound], *where.bound),
    )
    named = [Column(Sql(f"k{at}"), key.descending) for at, key in enumerate(keys)]
    order = order_by(named, "rid", window.backward)
    if window.position is None:
        return Sql(f"{inner.text} ORDER BY {order} LIMIT ?", (*inner.bound, window.limit))
    rest = beyond(named, "rid", window.position, window.backward)
    return Sql(
        # LIMIT -1 keeps the keys from being worked out again for each comparison
        f"SELECT * FROM ({inner.text} LIMIT -1) WHERE {rest.text} ORDER BY {order} LIMIT ?",
        (*inner.bound, *rest.bound, window.limit),
    )


def _walk(
    scope: Scope,
    sources: Sequence[Source],
    condition: Condition,
    keys: Sequence[Key],
    window: Window,
) -> list[tuple] | None:
    """Along tables that have the first key in order, and where they end, those without it; None if it takes long."""
    tests = condition.parts if isinstance(condition, AllOf) else [condition]
    at = window.position
    found: list[tuple] = []
    for with_key in (False, True) if window.backward else (True, False):
        missing = window.limit - len(found)
        here = at is not None and (at.keys[0] is not None) == with_key
        if missing <= 0 or (at is not None and not here and with_key != window.backward):
            continue
        part = window._replace(limit=missing, position=at if here else None)
        if with_key:
            rows = scope.reader.attempt(matches(_along(sources, tests, keys, part)))
            if rows is None:
                return None
            found += rows
        else:
            found += _without(scope, all_of(scope, [condition, keys[0].absent()]), keys, part)
    return found


def _code_by_code(scope: Scope, condition: Condition, keys: Sequence[Key], window: Window) -> list[tuple] | None:
    """One search for each code of the first key; None where it has many or few of them match."""
    codes = keys[0].codes()
    if codes is None:
        return None
    found: list[tuple] = []
    for turn, (code, part) in enumerate(in_turn(codes, keys[0].descending, window)):
        if len(found) == window.limit:
            break
        if turn > TURNS + len(found):
            return None
        having = keys[0].absent() if code is None else keys[0].having(code)
        part = part._replace(limit=window.limit - len(found))
        rows = in_order(scope, all_of(scope, [condition, having]), keys[1:], part)
        found += [(*row[:ROW], code, *row[ROW:]) for row in rows]
    return found


def _without(scope: Scope, condition: Condition, keys: Sequence[Key], window: Window) -> list[tuple]:
    """Those without the first key, in order of the others."""
    at = window.position
    rest = window._replace(position=Position(at.keys[1:], at.rid) if at else None)
    return [(*row[:ROW], None, *row[ROW:]) for row in in_order(scope, condition, keys[1:], rest)]


def _along(sources: Sequence[Source], tests: Sequence[Condition], keys: Sequence[Key], window: Window) -> Sql:
    """The rows of all sources, merged in their order."""
    parts = [_of_source(source, tests, keys, window) for source in sources]
    others = [Column(Sql(f"k{n}"), key.descending) for n, key in enumerate(keys[1:], 1)]
    order = f"k0 {direction(keys[0].descending, window.backward)}, {order_by(others, 'rid', window.backward)}"
    return Sql(
        f"{' UNION ALL '.join(part.text for part in parts)} ORDER BY {order} LIMIT ?",
        (*[value for part in parts for value in part.bound], window.limit),
    )


def _of_source(source: Source, tests: Sequence[Condition], keys: Sequence[Key], window: Window) -> Sql:
    first, at = keys[0], window.position
    others = [key.column(source.rid) for key in keys[1:]]
    where = [source.where]
    if at is not None:
        sign = "<" if first.descending != window.backward else ">"
        rest = beyond(others, source.rid, Position(at.keys[1:], at.rid), window.backward)
        where.append(
            Sql(
                f"{source.column} {sign}= ? AND ({source.column} {sign} ? OR {rest.text})",
                (at.keys[0], at.keys[0], *rest.bound),
            )
        )
    where += [
        test.along("s") if source.feed and isinstance(test, Updated) else test.probe(source.rid) for test in tests
    ]
    condition = conjunction(where)
    listed = "".join([f", {column.expression.text} AS k{n}" for n, column in enumerate(others, 1)])
    return Sql(
        f"SELECT {source.rid} AS rid, {source.column} AS k0{listed} FROM {source.table} WHERE {condition.text}",
        (*[v for column in others for v in column.expression.bound], *condition.bound),
    )
