"""Conditions that are nested deeper than SQLite's parser can follow: what they hold for is found first."""

from __future__ import annotations

import json

from fhir_server.core.errors import error
from fhir_server.storage.sqlite.search.condition import Condition, Never
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql

DEEPEST = 5  # links of chains in one statement; SQLite takes some ten
MOST = 100_000  # resources that one link may stand for


def settled(scope: Scope, condition: Condition) -> Condition:
    """The condition, or where it is too deep the resources for which it holds.

    All statements of a search see one state of the store, so the answer is the same. FhirError "too-costly" past MOST.
    """
    if condition.depth < DEEPEST:
        return condition
    found = condition.driver()
    rows = scope.reader.rows(Sql(f"SELECT DISTINCT rid FROM ({found.text}) LIMIT ?", (*found.bound, MOST + 1)))
    if len(rows) > MOST:
        raise error(
            "too-costly", f"A link of the chain stands for more than {MOST} resources; make its end more selective."
        )
    return Found([row[0] for row in rows]) if rows else Never()


class Found(Condition):
    """One of these resources."""

    def __init__(self, rids: list[int]) -> None:
        self._rids = json.dumps(rids)
        self._count = len(rids)

    def probe(self, rid: str) -> Sql:
        """By rid."""
        return Sql(f"{rid} IN (SELECT value FROM json_each(?))", (self._rids,))

    def driver(self) -> Sql:
        """Each."""
        return Sql("SELECT value AS rid FROM json_each(?)", (self._rids,))

    def cost(self, bound: int) -> int:
        """As many as there are."""
        return min(bound, self._count)
