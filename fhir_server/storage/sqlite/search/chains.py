"""Chains and _has: conditions of the resources that refer, or are referred to, as joins."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.core.query import Chain, Clause, Has
from fhir_server.storage.sqlite.search.canonicals import CanonicalChain, CanonicalHas, edge
from fhir_server.storage.sqlite.search.condition import Condition, Never
from fhir_server.storage.sqlite.search.logic import any_of
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.settled import settled
from fhir_server.storage.sqlite.search.sql import Sql, conjunction, member

REFERRING = 8  # resources that refer to one by one field: a guess


def chain(clause: Chain, scope: Scope) -> Condition:
    """One condition for the types that the reference may name and of which the same is asked."""
    fields = scope.fields(clause.fields)
    asked: dict[Clause, list[str]] = {}
    for name, target in clause.targets:
        asked.setdefault(target, []).append(name)
    if not fields:
        return Never()
    return any_of([_link(scope, fields, scope.of(names), target) for target, names in asked.items()])


def _link(scope: Scope, fields: Sequence[int], targets: Scope, clause: Clause) -> Condition:
    condition = settled(targets, targets.compile(clause))
    if isinstance(condition, Never):
        return condition
    ways: list[Condition] = [_Chain(scope, fields, targets, condition)]
    canonical = edge(scope.reader, scope.alias(), fields, targets)
    if canonical is not None:
        ways.append(CanonicalChain(canonical, condition))
    return any_of(ways)


def has(clause: Has, scope: Scope) -> Condition:
    """The condition of the resources that refer."""
    sources = scope.of((clause.source,))
    fields = sources.fields(clause.fields)
    condition = settled(sources, sources.compile(clause.clause)) if fields else Never()
    if isinstance(condition, Never):
        return condition
    ways: list[Condition] = [_Has(scope, fields, condition)]
    canonical = edge(scope.reader, scope.alias(), fields, scope)
    if canonical is not None:
        ways.append(CanonicalHas(canonical, condition))
    return any_of(ways)


class _Chain(Condition):
    """A reference names a resource for which a condition holds."""

    def __init__(self, scope: Scope, fields: Sequence[int], targets: Scope, target: Condition) -> None:
        self._scope = scope
        self._alias = scope.alias()
        self._named = scope.alias()
        self._fields = member(f"{self._alias}.field", fields)
        self._targets = targets
        self._target = target
        self.weight = 1 + target.weight
        self.depth = 1 + target.depth

    def probe(self, rid: str) -> Sql:
        """From the reference to what it names."""
        a, t = self._alias, self._named
        join = ""
        tests = [self._fields, self._target.probe(f"{a}.target")]
        if not self._target.typed:
            join = f" CROSS JOIN resource {t} NOT INDEXED ON {t}.rid = {a}.target"
            tests.insert(1, member(f"{t}.type", self._targets.type_ids))
            tests.insert(1, Sql(f"{t}.live = 1"))
        test = conjunction(tests)
        source = f"reference {a} INDEXED BY reference_rid{join}"
        return Sql(f"EXISTS (SELECT 1 FROM {source} WHERE {a}.rid = {rid} AND {test.text})", test.bound)

    def driver(self) -> Sql:
        """From what is named to the references."""
        a, t = self._alias, self._named
        found = self._target.driver()
        return Sql(
            f"SELECT {a}.rid AS rid FROM ({found.text}) {t} CROSS JOIN reference {a} "
            f"ON {self._fields.text} AND {a}.target = {t}.rid",
            (*found.bound, *self._fields.bound),
        )

    def cost(self, bound: int) -> int:
        """That of what is named, or the references to it where that is little."""
        named = self._target.cost(bound)
        return self._scope.reader.rough_count(self.driver(), bound) if named < bound else bound


class _Has(Condition):
    """A resource for which a condition holds refers to this one."""

    typed = False
    step = 4

    def __init__(self, scope: Scope, fields: Sequence[int], source: Condition) -> None:
        self._scope = scope
        self._alias = scope.alias()
        self._referring = scope.alias()
        self._fields = member(f"{self._alias}.field", fields)
        self._source = source
        self.weight = REFERRING * source.weight
        self.depth = 1 + source.depth

    def probe(self, rid: str) -> Sql:
        """From this one to the references to it; only current resources have some, all of the fields' type."""
        a = self._alias
        test = conjunction([self._fields, self._source.probe(f"{a}.rid")])
        return Sql(f"EXISTS (SELECT 1 FROM reference {a} WHERE {a}.target = {rid} AND {test.text})", test.bound)

    def driver(self) -> Sql:
        """From what refers to what it names."""
        a, s = self._alias, self._referring
        r = f"{s}r"
        found = self._source.driver()
        types = member(f"{r}.type", self._scope.type_ids)
        return Sql(
            f"SELECT {a}.target AS rid FROM ({found.text}) {s} CROSS JOIN reference {a} INDEXED BY reference_rid "
            f"ON {a}.rid = {s}.rid AND {self._fields.text} CROSS JOIN resource {r} NOT INDEXED "
            f"ON {r}.rid = {a}.target WHERE {r}.live = 1 AND {types.text}",
            (*found.bound, *self._fields.bound, *types.bound),
        )

    def cost(self, bound: int) -> int:
        """That of what refers: each refers to few."""
        return self._source.cost(bound)
