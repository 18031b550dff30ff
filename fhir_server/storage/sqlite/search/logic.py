"""All, Any and Not of conditions; All chooses which of its conditions drives."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.storage.sqlite.search.condition import Condition, Never, Test
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, conjunction, disjunction, union

ROUNDS = (64, 1024, 16384)  # rows counted of each condition, until one is found that has fewer


def all_of(scope: Scope, conditions: Sequence[Condition]) -> Condition:
    """Every one holds."""
    if any(isinstance(condition, Never) for condition in conditions):
        return Never()
    parts: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, AllOf):
            parts += condition.parts
        elif not is_always(condition):
            parts.append(condition)
    if not parts:
        return conditions[0] if conditions else Test(scope)
    return parts[0] if len(parts) == 1 else AllOf(parts)


def any_of(conditions: Sequence[Condition]) -> Condition:
    """At least one holds."""
    parts: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, AnyOf):
            parts += condition.parts
        elif not isinstance(condition, Never):
            parts.append(condition)
    always = [condition for condition in parts if is_always(condition)]
    if always or len(parts) == 1:
        return (always or parts)[0]
    return AnyOf(parts) if parts else Never()


def not_(scope: Scope, condition: Condition) -> Condition:
    """It does not hold."""
    if isinstance(condition, Never):
        return Test(scope)
    return Never() if is_always(condition) else _Not(scope, condition)


def is_always(condition: Condition) -> bool:
    """Whether it holds for every current resource of the types."""
    return type(condition) is Test


class AllOf(Condition):
    """Two conditions or more that all hold."""

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = parts
        self.typed = any(part.typed for part in parts)
        self.scans = all(part.scans for part in parts)
        self.weight = sum(part.weight for part in parts)
        self._driving: Condition | None = None

    def probe(self, rid: str) -> Sql:
        """All of them."""
        return conjunction([part.probe(rid) for part in self.parts])

    def driving(self) -> Condition:
        """The one that visits the fewest rows, as far as a bounded count can tell."""
        if self._driving is None:
            self._driving = self._choose()
        return self._driving

    def _choose(self) -> Condition:
        parts = [part for part in self.parts if not part.scans] or self.parts
        if len(parts) == 1:
            return parts[0]
        for bound in ROUNDS:
            costs = [part.cost(bound) for part in parts]
            least = min(costs)
            if least < bound:
                break
        return parts[costs.index(least)]

    def others(self) -> list[Condition]:
        """All but the one that drives."""
        driving = self.driving()
        return [part for part in self.parts if part is not driving]

    def driver(self) -> Sql:
        """What the one finds, tested by the others."""
        found = self.driving().driver()
        tests = conjunction([part.probe("d.rid") for part in self.others()])
        return Sql(f"SELECT d.rid AS rid FROM ({found.text}) d WHERE {tests.text}", (*found.bound, *tests.bound))

    def cost(self, bound: int) -> int:
        """That of the one."""
        return self.driving().cost(bound)


class AnyOf(Condition):
    """Two conditions or more of which one holds."""

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = parts
        self.typed = all(part.typed for part in parts)
        self.scans = any(part.scans for part in parts)
        self.weight = sum(part.weight for part in parts)

    def probe(self, rid: str) -> Sql:
        """Either."""
        return disjunction([part.probe(rid) for part in self.parts])

    def driver(self) -> Sql:
        """What each finds."""
        return union([part.driver() for part in self.parts])

    def cost(self, bound: int) -> int:
        """What all cost together."""
        total = 0
        for part in self.parts:
            total += part.cost(bound - total)
            if total >= bound:
                return bound
        return total


class _Not(Test):
    """A test that fails."""

    def __init__(self, scope: Scope, condition: Condition) -> None:
        super().__init__(scope)
        self._condition = condition
        self.weight = condition.weight

    def probe(self, rid: str) -> Sql:
        """Not so."""
        test = self._condition.probe(rid)
        return Sql(f"NOT ({test.text})", test.bound)
