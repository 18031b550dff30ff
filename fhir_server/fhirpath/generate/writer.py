"""Source text of functions: names of variables and constants, blocks, and helper functions that return early."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, NamedTuple

from fhir_server.fhirpath.generate.flow import Branch, Step, TooLarge
from fhir_server.fhirpath.model import Model

_IDENTIFIER = re.compile(r"\b(?:v\d+|item|root|environment|budget)\b")
_TARGET = re.compile(r"\b(v\d+)(?= in | :=| = )")
MAX_SOURCE = 60_000
MAX_DECISIONS = 2_000


class Scope(NamedTuple):
    """What an expression sees: $this, the variables of the loops around it, and how many criteria it stands in."""

    this: Branch
    bound: frozenset[str] = frozenset()
    depth: int = 0

    def inside(self, branch: Branch, this: Branch) -> Scope:
        """The scope inside of a branch's blocks."""
        return Scope(this, self.bound | {step.variable for step in branch.steps if step.variable}, self.depth + 1)


class Writer:
    """Collects helper functions and constants of one generated module.

    root_type: the type of %resource where it is known, else ""; strict: see compile_path; run: gives for a node without
    generated form, and the type of $this, a function (this, root, environment) -> True, False or None.
    """

    def __init__(self, model: Model, root_type: str, strict: bool, run: Callable[..., Any]) -> None:
        self.model = model
        self.root_type = root_type
        self.strict = strict
        self.run = run
        self.names: dict[str, Any] = {"E": {}}
        self.functions: list[str] = []
        self._variables: dict[str, str] = {}
        self._size = 0
        self._decisions = 0

    def lenient_type(self, specifier: str, position: int) -> str:
        """The type a specifier means here; see Model.lenient_type."""
        if self.strict:
            return self.model.type_named(specifier, position)
        return self.model.lenient_type(specifier, position)

    def decide(self) -> None:
        """Counts a condition that is generated: those inside of = and xor are needed twice, and again at each level."""
        self._decisions += 1
        if self._decisions > MAX_DECISIONS:
            raise TooLarge

    @property
    def variables(self) -> list[str]:
        """All variables that are named so far."""
        return list(self._variables.values())

    def variable(self, key: str, bound: Iterable[str] = ()) -> str:
        """A variable for what the key describes: the same for the same key, unless that one is bound already."""
        name = self._variables.setdefault(key, f"v{len(self._variables) + 1}")
        while name in bound:
            key += "'"
            name = self._variables.setdefault(key, f"v{len(self._variables) + 1}")
        return name

    def temporary(self) -> str:
        """A variable that nothing else uses."""
        return self.variable(f"temporary {len(self._variables)}")

    def constant(self, value: Any) -> str:
        """An expression of this value: its literal, or a name that stands for it."""
        if value is None or isinstance(value, (bool, int, str)):
            return repr(value)
        for name, known in self.names.items():
            if type(known) is type(value) and not isinstance(value, Decimal) and known == value:
                return name
        name = f"c{len(self.names)}"
        self.names[name] = value
        return name

    def function(self, lines: list[str], result: str | None = None) -> str:
        """Adds a helper with these lines as its body; its call as an expression, with what the body needs passed."""
        body = [f"    {line}" for line in lines] + ([f"    return {result}"] if result else [])
        text = "\n".join(body)
        assigned = set(_TARGET.findall(text))
        # a variable that the body both reads first and assigns later would need the outer one: loops never do that
        needed = sorted(set(_IDENTIFIER.findall(text)) - assigned)
        name = f"f{len(self.functions) + 1}"
        parameters = ", ".join(needed)
        self.functions.append(f"def {name}({parameters}):\n{text}")
        self._size += len(text)
        if self._size > MAX_SOURCE:
            raise TooLarge
        return f"{name}({parameters})"


def block(steps: Iterable[Step], lines: list[str]) -> list[str]:
    """The lines inside of the blocks that the steps open."""
    out = []
    indent = ""
    for step in steps:
        out.append(indent + step.line)
        if step.kind != "line":
            indent += " "
    out.extend(indent + line for line in lines)
    return out
