"""What the engine reads: a message through this Protocol, which the ER7 codec fulfils, and values of its fields."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

NULL = '""'  # a value that says "remove what you have"

# A value is the components of one repetition, each its sub-components, unescaped.
Value = list[list[str]]


class Segment(Protocol):
    """One segment; fields count from 1."""

    @property
    def name(self) -> str:
        """Three characters, such as PID."""
        ...

    @property
    def fields(self) -> list[str]:
        """The fields as written, the name first."""
        ...

    def repetitions(self, field: int) -> list[Value]:
        """A field's values, [] for an empty or absent field."""
        ...

    def take_as_text(self, field: int, lines: bool = False) -> None:
        """Reads a field as text without components; lines: its repetitions are the lines of one."""
        ...

    def value(self, field: int, repetition: int = 1, component: int = 1, subcomponent: int = 1) -> str:
        """One value, "" where there is none."""
        ...


class Group(Protocol):
    """A group of segments: its name, and its groups and segments in order."""

    name: str
    path: str
    children: list[Any]


class Message(Protocol):
    """A message; type and event are MSH-9.1 and MSH-9.2."""

    @property
    def segments(self) -> Sequence[Segment]:
        """All, in order."""
        ...

    @property
    def type(self) -> str:
        """MSH-9.1."""
        ...

    @property
    def event(self) -> str:
        """MSH-9.2."""
        ...

    @property
    def structure(self) -> str:
        """MSH-9.3."""
        ...

    @property
    def problems(self) -> Sequence[str]:
        """What could be read only by a guess."""
        ...

    def grouped(self, name: str, children: Sequence[Any]) -> Group:
        """The segments in the groups of a structure: [name, min, max] and [name, min, max, children]."""
        ...


def is_empty(value: Value) -> bool:
    """Whether a repetition has no content at all."""
    if value and value[0] and value[0][0]:
        return False
    return not any(map(any, value))


def is_null(value: Value) -> bool:
    """Whether a repetition is `""`."""
    return len(value) == 1 and value[0] == [NULL]


def part(value: Value, component: int = 1, subcomponent: int = 1) -> str:
    """One part of a value, "" where there is none or it is null."""
    try:
        found = value[component - 1][subcomponent - 1]
    except IndexError:
        return ""
    return "" if found == NULL else found


def component(value: Value, number: int) -> Value:
    """A component as a value of its own: its sub-components become components."""
    if number > len(value):
        return []
    return [[subcomponent] for subcomponent in value[number - 1]]
