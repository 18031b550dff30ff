"""What a file holds: interchanges, functional groups, transaction sets, loops."""

from __future__ import annotations

from collections.abc import Iterator

from interfaces.x12.problem import Problem
from interfaces.x12.segments import Delimiters, Segment
from mappings.x12.tables import LoopNode, TransactionSet


class Loop:
    """One repetition of a loop; children: its segments and loops in the order of the file."""

    __slots__ = ("children", "counts", "id", "node", "place", "position")

    def __init__(self, node: LoopNode | None, id: str = "") -> None:
        self.node = node
        self.id = node.id if node else id
        self.children: list[Segment | Loop] = []
        self.counts: dict[int, int] = {}  # id() of a node -> how often it came
        self.position = 0
        self.place = 0

    def segments(self, id: str, *first: str) -> Iterator[Segment]:
        """Its own segments of an id, of those first elements where some are given."""
        for child in self.children:
            if isinstance(child, Segment) and child.id == id and (not first or child[1] in first):
                yield child

    def segment(self, id: str, *first: str) -> Segment:
        """The first of them; an empty one where there is none."""
        return next(self.segments(id, *first), None) or Segment(id, [])

    def loops(self, *ids: str) -> Iterator[Loop]:
        """Its own loops of these ids."""
        for child in self.children:
            if isinstance(child, Loop) and child.id in ids:
                yield child

    def loop(self, *ids: str) -> Loop:
        """The first of them; an empty one where there is none."""
        return next(self.loops(*ids), None) or Loop(None, ids[0])

    def all(self, *ids: str) -> Iterator[Loop]:
        """Loops of these ids at any depth, in order."""
        for child in self.children:
            if isinstance(child, Loop):
                if child.id in ids:
                    yield child
                yield from child.all(*ids)

    def walk(self) -> Iterator[Segment]:
        """All segments in order."""
        for child in self.children:
            if isinstance(child, Loop):
                yield from child.walk()
            else:
                yield child


class Transaction:
    """ST to SE. set: its table, None where there is none; then root has all segments."""

    def __init__(self, set: TransactionSet | None, root: Loop, problems: list[Problem]) -> None:
        self.set = set
        self.root = root
        self.se: Segment | None = None
        self.problems = problems
        self.delimiters = Delimiters()
        self.group: Segment | None = None

    @property
    def st(self) -> Segment:
        """Its first segment."""
        return next(self.root.walk())

    @property
    def name(self) -> str:
        """Such as 837P; the ST01 of a set without a table."""
        return self.set.name if self.set else self.st[1]


class Group:
    """GS to GE, with its transaction sets and what is wrong with it as a whole."""

    def __init__(self, gs: Segment) -> None:
        self.gs = gs
        self.transactions: list[Transaction] = []
        self.ge: Segment | None = None
        self.problems: list[Problem] = []


class Interchange:
    """ISA to IEA. everything: all segments in order, which is what is written back."""

    def __init__(self, delimiters: Delimiters) -> None:
        self.delimiters = delimiters
        self.everything: list[Segment] = []
        self.groups: list[Group] = []
        self.ta1: list[Segment] = []
        self.iea: Segment | None = None
        self.problems: list[Problem] = []

    @property
    def isa(self) -> Segment:
        """Its first segment."""
        return self.everything[0]

    @property
    def sender(self) -> tuple[str, str]:
        """ISA05 and ISA06."""
        return self.isa[5], self.isa[6].strip()

    @property
    def control(self) -> str:
        """ISA13."""
        return self.isa[13]

    def transactions(self) -> Iterator[Transaction]:
        """All of its groups."""
        for group in self.groups:
            yield from group.transactions

    def all_problems(self) -> list[Problem]:
        """Of the interchange, its groups and their transaction sets."""
        found = list(self.problems)
        for group in self.groups:
            found += group.problems
            for transaction in group.transactions:
                found += transaction.problems
        return found


class Document:
    """A file of one or more interchanges; before: blanks ahead of the first."""

    def __init__(self, before: str = "") -> None:
        self.before = before
        self.interchanges: list[Interchange] = []

    def transactions(self) -> Iterator[Transaction]:
        """All of its interchanges."""
        for interchange in self.interchanges:
            yield from interchange.transactions()

    def problems(self) -> list[Problem]:
        """Of all its interchanges."""
        return [problem for interchange in self.interchanges for problem in interchange.all_problems()]
