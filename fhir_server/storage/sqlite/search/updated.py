"""Clauses about when a resource was last updated.

Versions are in order of time: `updated` never goes back as `seq` grows. So a span of time is a span of the feed, and
the newest version's position tells whether it lies in it.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.core.query import Comparator, UpdatedIs
from fhir_server.core.values import MAX_DATE, MIN_DATE
from fhir_server.storage.sqlite.search.condition import Condition, Never
from fhir_server.storage.sqlite.search.logic import not_
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import LISTED, Sql, conjunction, member

# the first and the last moment for which a comparator holds; ne is what eq is not
SPANS: dict[Comparator, Callable[[int, int], tuple[int, int]]] = {
    "eq": lambda low, high: (low, high),
    "ne": lambda low, high: (low, high),
    "gt": lambda low, high: (high + 1, MAX_DATE),
    "lt": lambda low, high: (MIN_DATE, low - 1),
    "ge": lambda low, high: (low, MAX_DATE),
    "le": lambda low, high: (MIN_DATE, high),
    "sa": lambda low, high: (high + 1, MAX_DATE),
    "eb": lambda low, high: (MIN_DATE, low - 1),
    "ap": lambda low, high: (low, high),
    "co": lambda low, high: (high, low),
}


def updated_is(clause: UpdatedIs, scope: Scope) -> Condition:
    """The newest version lies in a span of the feed."""
    first, last = SPANS[clause.comparator](clause.low, clause.high)
    start, end = first_at(scope.reader, first), first_at(scope.reader, last + 1)
    inside = Updated(scope, start, end) if start < end else Never()
    return not_(scope, inside) if clause.comparator == "ne" else inside


class Updated(Condition):
    """The position of the newest version is start or later, and before end."""

    typed = False

    def __init__(self, scope: Scope, start: int, end: int) -> None:
        self._scope = scope
        self._alias = scope.alias()
        self._span = (start, end)

    def probe(self, rid: str) -> Sql:
        """By rid."""
        a = self._alias
        test = self.along(a)
        return Sql(f"EXISTS (SELECT 1 FROM resource {a} NOT INDEXED WHERE {a}.rid = {rid} AND {test.text})", test.bound)

    def along(self, alias: str) -> Sql:
        """The test of the column seq of a row of version or resource."""
        return Sql(f"{alias}.seq >= ? AND {alias}.seq < ?", self._span)

    def driver(self) -> Sql:
        """The span of the feed, or where that is much of it all resources, as their rows are far shorter."""
        start, end = self._span
        a, types = self._alias, self._scope.type_ids
        live = self._scope.reader.rough_live(types)
        if end - start > live // 4:
            where = conjunction([Sql(f"{a}.live = 1"), member(f"{a}.type", types), self.along(a)])
            return Sql(
                f"SELECT {a}.rid AS rid FROM resource {a} INDEXED BY resource_live WHERE {where.text}", where.bound
            )
        v = f"{a}v"
        where = conjunction([member(f"{v}.type", types), self.along(v), Sql(f"{a}.live = 1")])
        index = "INDEXED BY version_type" if len(types) <= LISTED else "NOT INDEXED"
        return Sql(
            f"SELECT {v}.rid AS rid FROM version {v} {index} "
            f"CROSS JOIN resource {a} NOT INDEXED ON {a}.rid = {v}.rid AND {a}.seq = {v}.seq WHERE {where.text}",
            where.bound,
        )

    def cost(self, bound: int) -> int:
        """The length of the span."""
        start, end = self._span
        return min(bound, end - start)


def first_at(reader: Reader, moment: int) -> int:
    """The first position in the feed that is not before the moment; one past the end where there is none."""
    newest = reader.rows(Sql("SELECT seq, updated FROM version ORDER BY seq DESC LIMIT 1"))
    if not newest or newest[0][1] < moment:
        return newest[0][0] + 1 if newest else 0
    low, high = 0, newest[0][0]  # the position is in low..high
    while low < high:
        middle = (low + high) // 2
        seq, updated = reader.rows(
            Sql("SELECT seq, updated FROM version WHERE seq >= ? ORDER BY seq LIMIT 1", (middle,))
        )[0]
        if updated < moment:
            low = seq + 1
        else:
            high = middle
    return low
