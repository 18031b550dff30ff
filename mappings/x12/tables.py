"""The tables as objects that a reader walks: loops with their children by segment."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any, NamedTuple

SETS = ("837P", "837I", "835", "270", "271", "276", "277", "277CA", "999")


class Element(NamedTuple):
    """A simple element. type: as X12 has it (ID, AN, N0, N2, R, DT, TM, B); codes: allowed ones, empty for any."""

    name: str
    type: str
    least: int
    most: int
    usage: str
    codes: frozenset[str]


class Composite(NamedTuple):
    """An element made of components; most: how often it may repeat, 0 for any number."""

    name: str
    usage: str
    most: int
    components: Sequence[Element]


class SegmentNode:
    """A segment at a place of a loop. key: (element, component or -1, codes) that tell it from others of its id."""

    def __init__(self, entry: Sequence[Any], elements: Sequence[Element], parent: LoopNode, older: bool) -> None:
        _, self.id, self.name, self.usage, self.most, self.position, inside, self.syntax = entry
        self.parent = parent
        self.elements: list[Element | Composite] = [
            elements[each] if isinstance(each, int)
            else Composite(each[0], each[1], each[2], [elements[index] for index in each[3]])
            for each in inside
        ]  # fmt: skip
        self.key = _key(self)
        self.codes_checked = not older

    def fits(self, values: Sequence[str], component: str) -> bool:
        """Whether the values of a segment of this id are this segment's."""
        if self.key is None:
            return True
        place, part, codes = self.key
        if place >= len(values):
            return False
        value = values[place]
        if part >= 0:
            value = value.split(component, part + 1)[part] if value.count(component) >= part else ""
        return value in codes


class LoopNode:
    """A loop. starts: its first segment; at: segment id -> children that begin with it, in order."""

    def __init__(self, entry: Sequence[Any], elements: Sequence[Element], parent: LoopNode | None, older: bool) -> None:
        _, self.id, self.name, self.usage, self.most, self.position, inside = entry
        self.parent = parent
        self.children: list[LoopNode | SegmentNode] = [
            LoopNode(each, elements, self, older) if each[0] == "loop" else SegmentNode(each, elements, self, older)
            for each in inside
        ]
        self.starts: SegmentNode = next(child for child in self.children if isinstance(child, SegmentNode))
        self.at: dict[str, list[LoopNode | SegmentNode]] = {}
        for child in self.children:
            first = child.id if isinstance(child, SegmentNode) else child.starts.id
            self.at.setdefault(first, []).append(child)
        self.required = [child for child in self.children if child.usage == "R"]


class TransactionSet(NamedTuple):
    """One of SETS: code is ST01, conventions are values of ST03 (the first is written), group is GS01."""

    name: str
    code: str
    conventions: Sequence[str]
    group: str
    root: LoopNode
    segments: frozenset[str]


@functools.cache
def load(name: str) -> TransactionSet:
    """A transaction set by its name of SETS."""
    table = json.loads((resources.files("mappings.x12") / "tables" / f"{name}.json").read_text())
    elements = [Element(each[0], each[1], each[2], each[3], each[4], frozenset(each[5])) for each in table["elements"]]
    root = LoopNode(table["root"], elements, None, table["older"])
    return TransactionSet(
        table["set"], table["code"], table["conventions"], table["group"], root, frozenset(_ids(root)) | {"SE"}
    )


@functools.cache
def _heads() -> dict[tuple[str, str], str]:
    """(ST01, implementation convention) -> name, without the loops of any."""
    found = {}
    for name in reversed(SETS):
        with (resources.files("mappings.x12") / "tables" / f"{name}.json").open() as file:
            head = json.loads(file.readline().partition(',"elements"')[0] + "}")
        found |= {(head["code"], convention): name for convention in head["conventions"]}
    return found


def named(code: str, convention: str) -> TransactionSet | None:
    """The transaction set with an ST01 and an ST03 or GS08; None for one without a table."""
    name = _heads().get((code, convention))
    return load(name) if name else None


def _ids(loop: LoopNode) -> list[str]:
    found = []
    for child in loop.children:
        found += _ids(child) if isinstance(child, LoopNode) else [child.id]
    return found


def _key(segment: SegmentNode) -> tuple[int, int, frozenset[str]] | None:
    place = 2 if segment.id == "HL" else 0
    if place >= len(segment.elements) or segment.id == "BHT":
        return None
    first = segment.elements[place]
    if isinstance(first, Composite):
        inside = first.components[0] if first.components else None
        return (place, 0, inside.codes) if inside and inside.codes and first.usage == "R" else None
    return (place, -1, first.codes) if first.codes and first.usage == "R" and first.type == "ID" else None
