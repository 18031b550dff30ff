"""All, Any and Not of conditions; All chooses which of its conditions drives."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fhir_server.storage.sqlite.search.condition import Condition, Never, Test
from fhir_server.storage.sqlite.search.scope import Scope
from fhir_server.storage.sqlite.search.sql import Sql, conjunction, disjunction, union

# rows counted of each condition, until one is found that has fewer
FEW = (64, 512)
MANY = 16384


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
        self.depth = max(part.depth for part in parts)
        self._found = [part for part in parts if not part.scans] or parts
        self._least: Condition | None = None

    def probe(self, rid: str) -> Sql:
        """All of them."""
        return conjunction([part.probe(rid) for part in self.parts])

    def few(self, enough: Callable[[Condition], int]) -> Condition | None:
        """One that visits fewer rows than are enough of it, and fewer than the others do; None where all visit many."""
        if self._least is None:
            self._least = self._among((*FEW, MANY), enough)
        return self._least

    def least(self) -> Condition:
        """The one that visits the fewest rows, as far as a count that is longer, but bounded too, can tell."""
        if self._least is None:
            self._least = self._among((*FEW, MANY)) or self._found[0]
        return self._least

    def _among(self, bounds: Sequence[int], enough: Callable[[Condition], int] | None = None) -> Condition | None:
        if len(self._found) == 1:
            return self._found[0]
        for bound in bounds:
            least = None
            for part in self._found:
                most = min(bound, enough(part)) if enough else bound
                cost = part.cost(most)
                if cost < most:  # the next need not be counted further than this
                    least, bound = part, cost
            if least is not None:
                return least
        return None

    def beside(self, driver: Condition) -> list[Condition]:
        """All but this one."""
        return [part for part in self.parts if part is not driver]

    def driver(self) -> Sql:
        """What the one finds, tested by the others."""
        least = self.least()
        found = least.driver()
        tests = conjunction([part.probe("d.rid") for part in self.beside(least)])
        return Sql(f"SELECT d.rid AS rid FROM ({found.text}) d WHERE {tests.text}", (*found.bound, *tests.bound))

    def cost(self, bound: int) -> int:
        """That of the one."""
        return self.least().cost(bound)


class AnyOf(Condition):
    """Two conditions or more of which one holds."""

    def __init__(self, parts: Sequence[Condition]) -> None:
        self.parts = parts
        self.typed = all(part.typed for part in parts)
        self.scans = any(part.scans for part in parts)
        self.weight = sum(part.weight for part in parts)
        self.depth = max(part.depth for part in parts)

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
        self.depth = condition.depth

    def probe(self, rid: str) -> Sql:
        """Not so."""
        test = self._condition.probe(rid)
        return Sql(f"NOT ({test.text})", test.bound)
