"""What an evaluation carries along: $this and its like, the resource, variables, and what work is still allowed."""

from __future__ import annotations

import time

from fhir_server.fhirpath.engine.items import Item, Json, Node
from fhir_server.fhirpath.environment import Environment
from fhir_server.fhirpath.errors import FhirPathError
from fhir_server.fhirpath.temporal import Temporal, from_datetime

_CLOCK_EVERY = 5_000


class Budget:
    """Counts steps, and looks at the clock now and then. Raises FhirPathError of kind limit."""

    __slots__ = ("_checked", "_deadline", "_environment", "steps")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.steps = environment.max_steps
        self._checked = self.steps
        self._deadline = time.thread_time() + environment.max_seconds  # a busy machine makes no expression too long

    def look_at_clock(self) -> None:
        """For what takes long in one step, such as a regular expression."""
        if time.thread_time() > self._deadline:
            raise FhirPathError(
                "limit",
                f"The expression takes more than {self._environment.max_seconds} s of a processor on this resource",
            )

    def spend(self, steps: int) -> None:
        """Takes as many steps as there were items to look at."""
        self.steps -= steps
        if self.steps < 0:
            raise FhirPathError(
                "limit", f"The expression takes more than {self._environment.max_steps} steps on this resource"
            )
        if self._checked - self.steps > _CLOCK_EVERY:
            self._checked = self.steps
            self.look_at_clock()


class Shared:
    """What all frames of one evaluation have in common."""

    __slots__ = ("_now", "budget", "container", "context", "environment", "resource")

    def __init__(
        self,
        context: list[Item],
        resource: Node | None,
        container: Node | None,
        environment: Environment,
        budget: Budget,
    ) -> None:
        self.context = context
        self.resource = resource
        self.container = container
        self.environment = environment
        self.budget = budget
        self._now: Temporal | None = None

    @property
    def now(self) -> Temporal:
        """The moment of this evaluation: the same whenever it is asked."""
        if self._now is None:
            self._now = from_datetime(self.environment.now())
        return self._now


class Frame:
    """One scope: this is $this as a list of at most one item; variables are those of defineVariable."""

    __slots__ = ("index", "shared", "this", "total", "variables")

    def __init__(
        self,
        this: list[Item],
        shared: Shared,
        index: int = 0,
        total: list[Item] | None = None,
        variables: dict[str, list[Item]] | None = None,
    ) -> None:
        self.this = this
        self.shared = shared
        self.index = index
        self.total = total
        self.variables = variables if variables is not None else {}

    def inner(self, item: Item, index: int) -> Frame:
        """The scope of a criterion or projection for one item."""
        return Frame([item], self.shared, index, self.total, self.variables.copy() if self.variables else None)

    def branch(self) -> Frame:
        """The same scope for an operand or argument: what that defines does not leak out of it."""
        return Frame(self.this, self.shared, self.index, self.total, self.variables.copy())

    @property
    def root(self) -> Json | None:
        """%resource as JSON."""
        return self.shared.resource.value if self.shared.resource is not None else None
