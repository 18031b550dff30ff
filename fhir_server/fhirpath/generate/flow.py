"""How generated code walks to the items of a collection.

A Flow is one or more Branches, one for each type that its items can have. A Branch is a list of Steps (loops and
conditions, each of which opens a block) and, inside of them, an expression for the item.
"""

from __future__ import annotations

from typing import NamedTuple


class NotStatic(Exception):
    """This part of an expression has no generated form; the closures of the engine evaluate it."""


class TooLarge(Exception):
    """The generated source would be larger than it is worth: an expression that is written to be so."""


class Step(NamedTuple):
    """kind "for" (variable, what it iterates), "if" ("" or the variable it sets, the condition), "line" (statement)."""

    kind: str
    variable: str
    expression: str

    @property
    def line(self) -> str:
        """Its source; "for" and "if" open a block."""
        if self.kind == "for":
            return f"for {self.variable} in {self.expression}:"
        return f"if {self.expression}:" if self.kind == "if" else self.expression


class Branch(NamedTuple):
    """Items of one type.

    value: expression of the raw item, None at run time where nullable and there is none;
    default: the same, but an empty object in place of None; "" for primitives;
    owner, json_name: of an element, the expression of the object that holds the JSON property, and its name.
    """

    steps: tuple[Step, ...]
    value: str
    type: str
    nullable: bool = True
    default: str = ""
    owner: str = ""
    json_name: str = ""

    @property
    def loops(self) -> bool:
        """Whether there can be several items."""
        return any(step.kind == "for" for step in self.steps)

    @property
    def in_array(self) -> bool:
        """Whether the item is the variable of a loop, so that it is null only for a primitive without a value."""
        return any(step.kind == "for" and step.variable == self.value for step in self.steps)

    @property
    def whole_array(self) -> bool:
        """Whether the items are just those of one JSON array."""
        return len(self.steps) == 1 and self.steps[0].kind == "for" and self.steps[0].variable == self.value


class Flow(NamedTuple):
    """A collection: many says whether it can have more than one item."""

    branches: tuple[Branch, ...]
    many: bool

    @property
    def types(self) -> frozenset[str]:
        """The types its items can have."""
        return frozenset(branch.type for branch in self.branches)


EMPTY = Flow((), False)


class Scalar(NamedTuple):
    """A single value: expression, None at run time where nullable and empty; type: a System type.

    text: a date, dateTime or time is still FHIR's text, not a Temporal.
    constant: the expression is a literal.
    """

    expression: str
    type: str
    nullable: bool = True
    text: bool = False
    constant: bool = False
