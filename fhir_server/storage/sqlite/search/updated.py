"""Clauses about when a resource was last updated.

Versions are in order of time: `updated` never goes back as `seq` grows, so a span of time is a span of the feed.
"""

from __future__ import annotations

from collections.abc import Callable

from fhir_server.core.query import Comparator, UpdatedIs
from fhir_server.core.values import MAX_DATE, MIN_DATE
from fhir_server.storage.sqlite.search.comparisons import DATES, date_values
from fhir_server.storage.sqlite.search.condition import Condition
from fhir_server.storage.sqlite.search.ranges import compared
from fhir_server.storage.sqlite.search.reader import Reader
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import LISTED, Sql, conjunction, member

# the first and the last moment that a comparator can hold for
SPANS: dict[Comparator, Callable[[int, int], tuple[int, int]]] = {
    "eq": lambda low, high: (low, high),
    "ne": lambda low, high: (MIN_DATE, MAX_DATE),
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
    """The moment of the newest version compares as asked."""
    return Updated(clause, scope)


class Updated(Condition):
    """A span of the feed in which the newest version lies."""

    typed = False
    weight = 2

    def __init__(self, clause: UpdatedIs, scope: Scope) -> None:
        self._scope = scope
        self._resource, self._version = scope.alias(), scope.alias()
        self._clause = clause
        self._test = self._compared(f"{self._version}.updated")
        self._span = SPANS[clause.comparator](clause.low, clause.high)

    def probe(self, rid: str) -> Sql:
        """By rid."""
        r, v = self._resource, self._version
        return Sql(
            f"EXISTS (SELECT 1 FROM resource {r} NOT INDEXED CROSS JOIN version {v} NOT INDEXED ON {v}.seq = {r}.seq "
            f"WHERE {r}.rid = {rid} AND {self._test.text})",
            self._test.bound,
        )

    def driver(self) -> Sql:
        """The span of the feed."""
        r, v = self._resource, self._version
        first, end = self._feed()
        types = self._scope.type_ids
        index = "INDEXED BY version_type" if len(types) <= LISTED else "NOT INDEXED"
        where = conjunction(
            [
                member(f"{v}.type", types),
                Sql(f"{v}.seq >= ? AND {v}.seq < ?", (first, end)),
                self._test,
                Sql(f"{r}.live = 1"),
            ]
        )
        return Sql(
            f"SELECT {v}.rid AS rid FROM version {v} {index} "
            f"CROSS JOIN resource {r} NOT INDEXED ON {r}.rid = {v}.rid AND {r}.seq = {v}.seq WHERE {where.text}",
            where.bound,
        )

    def along(self, version: str) -> Sql:
        """The span, for a row of version, a newest version, of this alias."""
        first, end = self._feed()
        test = self._compared(f"{version}.updated")
        return Sql(f"{version}.seq >= ? AND {version}.seq < ? AND {test.text}", (first, end, *test.bound))

    def _compared(self, updated: str) -> Sql:
        clause = self._clause
        return compared(DATES[clause.comparator], date_values(clause.low, clause.high), updated, updated)

    def cost(self, bound: int) -> int:
        """The length of the span."""
        first, end = self._feed()
        return max(0, min(bound, end - first))

    def _feed(self) -> tuple[int, int]:
        low, high = self._span
        return first_at(self._scope.reader, low), first_at(self._scope.reader, high + 1)


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
