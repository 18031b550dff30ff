"""Clauses about the resource itself: its id, its type, a List that names it."""

from __future__ import annotations

from fhir_server.core.query import Has, IdIn, InList, TypeIn
from fhir_server.storage.sqlite.search.condition import Condition, Never, Test
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, conjunction, member


def id_in(clause: IdIn, scope: Scope) -> Condition:
    """By the key of resource."""
    return _Ids(scope, clause.ids) if clause.ids else Never()


def type_in(clause: TypeIn, scope: Scope) -> Condition:
    """By the type of resource."""
    wanted = scope.among(clause.types)
    if not wanted.types:
        return Never()
    return Test(scope) if len(wanted.types) == len(scope.types) else _Types(scope, wanted)


def in_list(clause: InList, scope: Scope) -> Condition:
    """Named by an entry of that List."""
    return scope.compile(Has("List", ("item",), IdIn((clause.id,))))


class _Ids(Condition):
    """The id is one of these."""

    typed = False

    def __init__(self, scope: Scope, ids: tuple[str, ...]) -> None:
        self._scope = scope
        self._alias = scope.alias()
        self._ids = ids

    def probe(self, rid: str) -> Sql:
        """By rid."""
        a = self._alias
        test = member(f"{a}.id", self._ids)
        return Sql(f"EXISTS (SELECT 1 FROM resource {a} NOT INDEXED WHERE {a}.rid = {rid} AND {test.text})", test.bound)

    def driver(self) -> Sql:
        """By type and id."""
        a = self._alias
        test = conjunction([member(f"{a}.type", self._scope.type_ids), member(f"{a}.id", self._ids)])
        return Sql(
            f"SELECT {a}.rid AS rid FROM resource {a} INDEXED BY resource_key WHERE {test.text} AND {a}.live = 1",
            test.bound,
        )

    def cost(self, bound: int) -> int:
        """One row for each id and type."""
        return min(bound, len(self._ids) * len(self._scope.type_ids))


class _Types(Test):
    """The type is one of some."""

    def __init__(self, scope: Scope, wanted: Scope) -> None:
        super().__init__(scope)
        self._wanted = wanted

    def probe(self, rid: str) -> Sql:
        """By rid."""
        types = member("type", self._wanted.type_ids)
        return Sql(f"(SELECT {types.text} FROM resource WHERE rid = {rid})", types.bound)

    def driver(self) -> Sql:
        """The resources of those types."""
        return Test(self._wanted).driver()

    def cost(self, bound: int) -> int:
        """As many as there are."""
        return Test(self._wanted).cost(bound)
