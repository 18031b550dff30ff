"""Segments into the groups of a message structure.

A structure is the standard's abstract message syntax: a list of children, [name, min, max] for a segment and
[name, min, max, children] for a group. Reading is forgiving, as senders are: required segments may lack, unknown and
Z-segments stay in the group where they came, a segment out of order joins the nearest group that may have it.

For each segment the place nearest to the one before is taken: later in its group, then a new repetition of its group,
then the same of the group around it. The choice depends only on that place and the segment's name, so it is made once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

# Groups that begin with the very segments that begin the next order; entered only by these (HL7 v2.5 leaves it open).
ENTERED_BY = {"PRIOR_RESULT": ("PID", "PV1")}


class Named(Protocol):
    """What is grouped: anything that has a segment's name."""

    @property
    def name(self) -> str:
        """Three characters, such as PID."""
        ...


class Group:
    """A group of a message: its name, the dotted path of it and its children, groups and segments in order."""

    __slots__ = ("children", "name", "path")

    def __init__(self, name: str, path: str) -> None:
        self.name = name
        self.path = path
        self.children: list[Any] = []

    def __repr__(self) -> str:
        return f"Group({self.path!r}, {self.children!r})"

    def groups(self, name: str) -> list[Group]:
        """Its groups of this name."""
        return [child for child in self.children if isinstance(child, Group) and child.name == name]

    def segments(self, name: str) -> list[Any]:
        """Its own segments of this name."""
        return [child for child in self.children if not isinstance(child, Group) and child.name == name]

    def walk(self) -> Iterator[tuple[Group, Any]]:
        """Each segment with the group that it is in, in order."""
        for child in self.children:
            if isinstance(child, Group):
                yield from child.walk()
            else:
                yield self, child


class _Node:
    """A place of a structure: a segment (children is None) or a group; path: the dotted names of a group."""

    __slots__ = ("children", "contains", "max", "min", "name", "parent", "path", "position")

    def __init__(self, entry: Sequence[Any], parent: _Node | None, position: int) -> None:
        self.name: str = entry[0]
        self.min: int = entry[1]
        self.max: int = entry[2]
        self.parent = parent
        self.position = position
        self.path: str = f"{parent.path}.{self.name}" if parent else self.name
        self.children: list[_Node] | None = None
        self.contains: frozenset[str] = frozenset((self.name,))
        if len(entry) > 3:
            self.children = [_Node(child, self, index) for index, child in enumerate(entry[3])]
            self.contains = frozenset().union(*(child.contains for child in self.children))

    def first(self, name: str, strict: bool) -> _Node | None:
        """The first place for a segment in it; strict: only if nothing required comes before."""
        if self.children is None:
            return self if self.name == name else None
        if name not in self.contains:
            return None
        for child in self.children:
            found = child.first(name, strict)
            if found:
                return found
            if strict and child.min:
                return None
        return None

    def may_enter(self, name: str) -> bool:
        """Whether a segment may begin it."""
        return self.name not in ENTERED_BY or name in ENTERED_BY[self.name]


class _Step(NamedTuple):
    """Where a segment goes: its place, the group that stays open around it, and whether the reading moves there.

    opened: the groups that are opened for it, the outermost first.
    """

    place: _Node
    around: _Node
    moves: bool
    opened: tuple[_Node, ...]


def _step(place: _Node, around: _Node, moves: bool) -> _Step:
    opened: list[_Node] = []
    node = place.parent
    while node is not None and node is not around:
        opened.append(node)
        node = node.parent
    return _Step(place, around, moves, tuple(reversed(opened)))


class Structure:
    """A structure ready for grouping; made once and kept, as it remembers the steps it found."""

    def __init__(self, name: str, children: Sequence[Any]) -> None:
        self.root = _Node([name, 1, 1, children], None, 0)
        self._steps: dict[tuple[_Node | None, str], _Step | None] = {}

    def group(self, segments: Sequence[Named]) -> Group:
        """The root group, with every segment somewhere in it."""
        root = Group(self.root.name, self.root.name)
        open_groups: list[tuple[_Node, Group]] = [(self.root, root)]
        steps = self._steps
        at: _Node | None = None
        children = root.children  # of the innermost group that is open
        for segment in segments:
            key = (at, segment.name)
            try:
                step = steps[key]
            except KeyError:
                step = steps[key] = self._find(at, segment.name)
            if step is None:
                children.append(segment)
                continue
            at_place, around, moves, opened = step
            if not moves:
                self._join(open_groups, step, segment)
                continue
            at = at_place
            while open_groups[-1][0] is not around:
                open_groups.pop()
            children = open_groups[-1][1].children
            for node in opened:
                group = Group(node.name, node.path)
                children.append(group)
                open_groups.append((node, group))
                children = group.children
            children.append(segment)
        return root

    def _find(self, at: _Node | None, name: str) -> _Step | None:
        if name not in self.root.contains:
            return None
        for strict in (True, False):
            step = self._nearest(at, name, strict)
            if step:
                return step
        return self._behind(at, name)

    def _nearest(self, at: _Node | None, name: str, strict: bool) -> _Step | None:
        group = at.parent if at else self.root
        start = (at.position if at.max != 1 else at.position + 1) if at else 0
        while group is not None:
            for child in (group.children or [])[start:]:
                if child.may_enter(name):
                    found = child.first(name, strict)
                    if found:
                        return _step(found, group, True)
            if group.max != 1 and group.parent:
                found = group.first(name, strict)
                if found:
                    return _step(found, group.parent, True)
            start = group.position + 1
            group = group.parent
        return None

    def _behind(self, at: _Node | None, name: str) -> _Step | None:
        group = at.parent if at else None
        while group is not None:
            for child in reversed(group.children or []):
                found = child.first(name, False)
                if found:
                    return _step(found, group, False)
            group = group.parent
        return None

    @staticmethod
    def _join(open_groups: list[tuple[_Node, Group]], step: _Step, segment: Named) -> None:
        """A segment out of order: into the group around, or the latest group inside it that its place names."""
        group = next(group for node, group in open_groups if node is step.around)
        for node in step.opened:
            existing = group.groups(node.name)
            if existing:
                group = existing[-1]
            else:
                child = Group(node.name, f"{group.path}.{node.name}")
                group.children.append(child)
                group = child
        group.children.append(segment)


_ready: dict[str, tuple[Sequence[Any], Structure]] = {}


def structure_for(name: str, children: Sequence[Any]) -> Structure:
    """The structure of these children, ready for grouping; made once while the children are the same object."""
    kept = _ready.get(name)
    if kept is None or kept[0] is not children:
        kept = _ready[name] = (children, Structure(name, children))
    return kept[1]
