"""What a clause is compiled to."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import FALSE, TRUE, Sql, conjunction, member


class Condition:
    """One clause as SQL, for current resources of the types of a scope.

    typed: it holds only for current resources of those types, so that neither needs another test;
    scans: there is no index by which to find what it holds for, so the driver looks at every resource of the types;
    weight: roughly what a probe costs, in looks into an index table; step: what a row of the driver costs;
    depth: how many links of chains are inside each other.
    """

    typed = True
    scans = False
    weight = 1
    step = 1
    depth = 0

    def probe(self, rid: str) -> Sql:
        """An expression that is true where it holds for the resource with this rid, an SQL expression.

        To be asked of current resources of the types only, unless typed.
        """
        raise NotImplementedError

    def driver(self) -> Sql:
        """A SELECT of the rids, each once or more, of the current resources of the types for which it holds."""
        raise NotImplementedError

    def cost(self, bound: int) -> int:
        """Roughly how many rows the driver visits, at most bound; found out in a time that grows with bound only."""
        raise NotImplementedError


class Never(Condition):
    """Holds for nothing."""

    def probe(self, rid: str) -> Sql:
        """False."""
        return FALSE

    def driver(self) -> Sql:
        """No rows."""
        return Sql("SELECT 0 AS rid WHERE 0")

    def cost(self, bound: int) -> int:
        """Nothing."""
        return 0


class Test(Condition):
    """A test that no index answers; () tests: holds for every current resource of the types."""

    typed = False
    scans = True

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.alias = scope.alias()

    def probe(self, rid: str) -> Sql:
        """True; what derives from this tests more."""
        return TRUE

    def driver(self) -> Sql:
        """Every resource of the types, tested."""
        rid = f"{self.alias}.rid"
        where = conjunction(
            [Sql(f"{self.alias}.live = 1"), member(f"{self.alias}.type", self.scope.type_ids), self.probe(rid)]
        )
        return Sql(
            f"SELECT {rid} AS rid FROM resource {self.alias} INDEXED BY resource_live WHERE {where.text}", where.bound
        )

    def cost(self, bound: int) -> int:
        """As many as there are."""
        return min(bound, self.scope.reader.rough_live(self.scope.type_ids))


class Row(Condition):
    """An index table has a row of the resource, in one of the fields, for which a test of its columns holds.

    keyed: field and test give the whole primary key up to rid: the table itself is the quick way to probe, and in each
    field the rids of the rows come in ascending order, so that a page is read off without sorting; repeats: one may
    come twice in a row.
    """

    def __init__(
        self,
        scope: Scope,
        table: str,
        alias: str,
        fields: Sequence[int],
        test: Sql = TRUE,
        *,
        keyed: bool = False,
        repeats: bool = False,
    ) -> None:
        self.scope = scope
        self.table = table
        self.alias = alias
        self.test = conjunction([member(f"{alias}.field", fields), test])
        self.keyed = keyed
        self.ordered = keyed and len(fields) == 1
        self.repeats = repeats

    def probe(self, rid: str) -> Sql:
        """A look into the table, or into its index by resource."""
        index = "" if self.keyed else f" INDEXED BY {by_resource(self.table)}"
        return Sql(
            f"EXISTS (SELECT 1 FROM {self.table} {self.alias}{index} "
            f"WHERE {self.alias}.rid = {rid} AND {self.test.text})",
            self.test.bound,
        )

    def driver(self) -> Sql:
        """The rows by value."""
        return Sql(
            f"SELECT {self.alias}.rid AS rid FROM {self.table} {self.alias} WHERE {self.test.text}", self.test.bound
        )

    def cost(self, bound: int) -> int:
        """Its rows."""
        return self.scope.reader.rough_count(self.driver(), bound)


def by_resource(table: str) -> str:
    """The index of an index table by resource."""
    return "string_rid" if table == "string_value" else f"{table}_rid"
