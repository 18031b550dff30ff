"""Whole segments of texts that come again, laid into a resource at once.

Most fields of a line say the same in line after line: the code, its unit, its range, its flags. What these make
together is made once and kept with the tables; only what differs from line to line, such as the value, is laid in field
by field. Which fields differ is learnt from the texts that come (a Line is kept with each plan).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from mappings.hl7v2.conditions import Operand
from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Element, Node, copied_items
from mappings.hl7v2.laying import Made, is_plain, lay, made_of

if TYPE_CHECKING:
    from mappings.hl7v2.plans import Visit
    from mappings.hl7v2.putting import Putter

FEW_TEXTS = 300  # of a field; one that has had more differs from line to line
MOST_LEARNT = 1000  # lines of a plan after which it is asked whether they come again
MOST_LINES = 10_000  # that are kept with the tables
MOST_COUNTS = 100  # numbers of fields of which a line remembers where it looks


class Split:
    """The fields of a line: those that differ from line to line, and those that are the same, with the texts that they
    had. asked: the fields by which the plan was found, but of those that differ. It is never changed but replaced, as
    long messages are read in threads."""

    __slots__ = ("_asked", "_telling", "differing", "same", "texts")

    def __init__(self, same: list[Visit], texts: list[set[str]], differing: list[Visit], asked: Iterable[int]) -> None:
        self.same = same
        self.texts = texts
        self.differing = differing
        apart = {visit.field for visit in differing}
        self._asked = sorted(field for field in asked if field not in apart)
        self._telling: dict[int, Callable[[list[str]], tuple[str, ...]]] = {}  # by number of fields

    def told(self, fields: list[str]) -> tuple[str, ...]:
        """The texts by which the plan was found, but of those that differ."""
        count = len(fields)
        telling = self._telling.get(count)
        if telling is None:
            if len(self._telling) > MOST_COUNTS:
                self._telling.clear()
            telling = self._telling[count] = itemgetter(0, 0, *[field for field in self._asked if field < count])
        return telling(fields)

    def further(self) -> Split:
        """With what has turned out to differ."""
        told = list(zip(self.same, self.texts, strict=True))
        differing = [*self.differing, *(visit for visit, seen in told if len(seen) > FEW_TEXTS)]
        same = [(visit, seen) for visit, seen in told if len(seen) <= FEW_TEXTS]
        return Split([visit for visit, _ in same], [seen for _, seen in same], differing, self._asked)


class Line:
    """What a plan makes of its fields where each depends on its own text alone. useful: whether it can be laid so.

    asked: the fields by which the plan was found; needs: what its conditions ask for, with what it was found by.
    """

    __slots__ = ("_laid", "_learnt", "_needs", "_split", "useful")

    def __init__(
        self, visits: list[Visit], asked: Iterable[int], needs: Iterable[tuple[Operand, frozenset[str], str | None]]
    ) -> None:
        self._split = Split(visits, [set() for _ in visits], [], asked)
        self._learnt = self._laid = 0  # lines, since they were last counted
        self._needs = list(needs)
        self.useful = True

    def lay(self, applier: Putter, node: Node, context: Context) -> int | None:
        """Fills a resource that has nothing yet: how many repetitions have content; None, with nothing laid, where
        that takes the rules one by one."""
        fields, split = context.segment.fields, self._split
        self._laid += 1
        key = (split, applier.written, split.told(fields))
        made = applier.tables.lines.get(key)
        if made is None:
            made = self._learn(split, applier, fields, node.type, context)
            if made is None:
                return None
            if len(applier.tables.lines) >= MOST_LINES:
                applier.tables.lines.clear()
            applier.tables.lines[key] = made
        return self._lay(made, split, applier, node, context)

    def lay_again(self, applier: Putter, node: Node, context: Context) -> int | None:
        """The same for a segment of which it is not known yet whether it has this plan; None, too, where what was laid
        before does not tell."""
        split = self._split
        made = applier.tables.lines.get((split, applier.written, split.told(context.segment.fields)))
        if made is None or not all(self._leaves_plan(applier, visit, context) for visit in split.differing):
            return None
        self._laid += 1
        return self._lay(made, split, applier, node, context)

    def _lay(self, made: Made, split: Split, applier: Putter, node: Node, context: Context) -> int | None:
        node.items = dict(made.items) if made.plain else copied_items(made.items)
        used = made.used
        for visit in split.differing:
            one = made_of(applier, visit, context.segment.fields[visit.field], node.type, context)
            if one is None or not self._lay_after(one, node):
                node.items = {}
                return None
            used += one.used
        return used

    def _leaves_plan(self, applier: Putter, visit: Visit, context: Context) -> bool:
        """Whether the text of a field that differs leaves the plan as it is."""
        fields, field = context.segment.fields, visit.field
        if field >= len(fields) or not fields[field]:
            return False
        if (visit, applier.written, fields[field]) in applier.tables.values:
            return True
        return all(
            first_of(context, operand, values) == value
            for operand, values, value in self._needs
            if operand.field == field
        )

    def _lay_after(self, made: Made, node: Node) -> bool:
        """Lays what stands before or between others after them; not where both are about the same, as the order of a
        list and which of two values holds are by the order of the fields."""
        for name, item in made.items.items():
            if name in node.items and not _apart(item, node.items[name]):
                self.useful = False
                return False
        return lay(made, node.items)

    def _learn(self, split: Split, applier: Putter, fields: list[str], type_name: str, context: Context) -> Made | None:
        """What the fields that are the same make together; which of them differ after all."""
        together, used = Node(type_name), 0
        for visit, seen in zip(split.same, split.texts, strict=True):
            text = fields[visit.field]
            one = made_of(applier, visit, text, type_name, context)
            if one is None or not lay(one, together.items):
                return None
            used += one.used
            seen.add(text)
        if self._learnt >= MOST_LEARNT:
            self.useful = self._laid > 2 * MOST_LEARNT  # more than half of them came again
            self._learnt = self._laid = 0
        self._learnt += 1
        if any(len(seen) > FEW_TEXTS for seen in split.texts):
            self._split = split.further()
            self._learnt = self._laid = 0
        return Made(together.items, used, is_plain(together.items))


def first_of(context: Context, operand: Operand, values: frozenset[str]) -> str | None:
    """The value at an operand, where it is one of these."""
    found = context.read(operand)
    first = found[0].upper() if found else None
    return first if first in values else None


def _apart(item: Any, there: Any) -> bool:
    """Whether two are elements that have nothing in common."""
    return isinstance(item, Element) and isinstance(there, Element) and item.items.keys().isdisjoint(there.items)
