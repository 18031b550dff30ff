"""Matches in order of rid, which is about the order in which they came to the store."""

from __future__ import annotations

import math
from collections.abc import Sequence

from fhir_server.storage.sqlite.search.condition import Condition, Row
from fhir_server.storage.sqlite.search.logic import MANY, AllOf
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import LISTED, Sql, conjunction, join, member
from fhir_server.storage.sqlite.search.window import Window, direction, rid_beyond

LEAST = 64  # matches that are always gathered rather than looked for
IN_ORDER = 4  # rows in order of rid that are tested in the time of one out of order

MATCHES = """SELECT r.type, r.id, v.version, v.seq, v.updated, v.method, v.body, p.* FROM ({inner}) p
CROSS JOIN resource r NOT INDEXED ON r.rid = p.rid CROSS JOIN version v NOT INDEXED ON v.seq = r.seq"""


def matches(inner: Sql) -> Sql:
    """The resources of a SELECT of rid and keys, in its order: (type, id, … body, rid, keys…)."""
    return Sql(MATCHES.format(inner=inner.text), inner.bound)


def driving(condition: Condition) -> tuple[Condition, list[Condition]]:
    """What had best drive where everything is to be found, and what is left to test."""
    if not isinstance(condition, AllOf):
        return condition, []
    least = condition.least()
    return least, condition.beside(least)


def many(scope: Scope, condition: Condition, limit: int, more: int = 0) -> bool:
    """Whether so many may match that looking along an order for the first few beats gathering them all.

    With n matches among N, looking takes limit * N / n probes of all conditions, and gathering what one of them finds n
    probes of the others. more: what else is looked up of each that is gathered.
    """
    if condition.scans:
        return True
    looking = limit * condition.weight * scope.reader.rough_live(scope.type_ids)

    def enough(driver: Condition) -> int:
        return max(LEAST, math.isqrt(looking // (driver.step + more + condition.weight - driver.weight)))

    if isinstance(condition, AllOf):
        return condition.few(enough) is None
    return condition.cost(enough(condition)) >= enough(condition)


def unsorted(scope: Scope, condition: Condition, window: Window) -> list[tuple]:
    """The rows of a window."""
    reader = scope.reader
    parts = condition.parts if isinstance(condition, AllOf) else [condition]
    if condition.scans:
        return reader.rows(matches(_look(scope, parts, window)))
    if isinstance(condition, Row) and condition.ordered:
        return reader.rows(matches(_read_off(condition, [], window)))
    if many(scope, condition, window.limit):
        ordered = next((part for part in parts if isinstance(part, Row) and part.ordered), None)
        if ordered is None:
            way = matches(_look(scope, parts, window))
        else:
            way = matches(_read_off(ordered, [part for part in parts if part is not ordered], window))
        found = reader.attempt(way)  # first: to count what else there is to drive takes as long
        if found is not None:
            return found
        if ordered is not None and _little_more(ordered, driving(condition)[0]):
            return reader.rows(way)
    driver, others = driving(condition)
    if isinstance(driver, Row) and driver.ordered:
        return reader.rows(matches(_read_off(driver, others, window)))
    return reader.rows(matches(_gather(driver, others, window)))


def _little_more(ordered: Row, least: Condition) -> bool:
    """Whether reading off a table visits so few rows more than gathering that its order makes up for them."""
    most = least.cost(MANY) * IN_ORDER
    return ordered is least or ordered.cost(most) < most


def _read_off(driver: Row, others: Sequence[Condition], window: Window) -> Sql:
    """Row after row of an index table that has them in order."""
    rid = f"{driver.alias}.rid"
    where = conjunction([driver.test, rid_beyond(rid, window), *[other.probe(rid) for other in others]])
    once = f" GROUP BY {rid}" if driver.repeats else ""
    return Sql(
        f"SELECT {rid} AS rid FROM {driver.table} {driver.alias} WHERE {where.text}{once} "
        f"ORDER BY {rid} {direction(False, window.backward)} LIMIT ?",
        (*where.bound, window.limit),
    )


def _gather(driver: Condition, others: Sequence[Condition], window: Window) -> Sql:
    """All that the driver finds, put in order; what else is asked of the rows of one table is asked before that."""
    if type(driver) is Row:
        rid = f"{driver.alias}.rid"
        tests = conjunction([driver.test, rid_beyond(f"+{rid}", window), *[other.probe(rid) for other in others]])
        return Sql(
            f"SELECT DISTINCT {rid} AS rid FROM {driver.table} {driver.alias} NOT INDEXED WHERE {tests.text} "
            f"ORDER BY +{rid} {direction(False, window.backward)} LIMIT ?",
            (*tests.bound, window.limit),
        )
    found = driver.driver()
    where = conjunction(
        [
            Sql(f"r.rid IN ({found.text})", found.bound),
            rid_beyond("+r.rid", window),
            *[other.probe("r.rid") for other in others],
        ]
    )
    return Sql(
        f"SELECT r.rid AS rid FROM resource r NOT INDEXED WHERE {where.text} "
        f"ORDER BY r.rid {direction(False, window.backward)} LIMIT ?",
        (*where.bound, window.limit),
    )


def _look(scope: Scope, conditions: Sequence[Condition], window: Window) -> Sql:
    """Resource after resource of the types; those of few types, type by type, merged as they come."""
    rest = conjunction([rid_beyond("r.rid", window), *[condition.probe("r.rid") for condition in conditions]])
    types = scope.type_ids
    order = f"ORDER BY rid {direction(False, window.backward)} LIMIT ?"
    select = "SELECT r.rid AS rid FROM resource r"
    if len(types) > LISTED:
        where = conjunction([Sql("r.live = 1"), member("r.type", types), rest])
        return Sql(f"{select} NOT INDEXED WHERE {where.text} {order}", (*where.bound, window.limit))
    live = f"{select} INDEXED BY resource_live WHERE r.live = 1 AND r.type = ? AND {rest.text}"
    merged = join(" UNION ALL ", [Sql(live, (type_id, *rest.bound)) for type_id in types])
    return Sql(f"{merged.text} {order}", (*merged.bound, window.limit))
