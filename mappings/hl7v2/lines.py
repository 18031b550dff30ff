"""Whole segments of texts that come again, laid into a resource at once.

Most fields of a line say the same in line after line: the code, its unit, its range, its flags. What these make
together is made once and kept with the tables; only what differs from line to line, such as the value, is laid in field
by field. Which fields differ is learnt from the texts that come (a Line is kept with each plan).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Element, Node, copied_items
from mappings.hl7v2.laying import Made, is_plain, lay, made_of

if TYPE_CHECKING:
    from mappings.hl7v2.plans import Visit
    from mappings.hl7v2.putting import Putter

FEW_TEXTS = 300  # of a field; one that has had more differs from line to line
MOST_LEARNT = 1000  # lines of a plan after which it is asked whether they come again
MOST_LINES = 10_000  # that are kept with the tables


class Line:
    """What a plan makes of its fields where each depends on its own text alone. useful: whether it can be laid so."""

    __slots__ = ("_differing", "_laid", "_learnt", "_same", "_texts", "useful")

    def __init__(self, visits: list[Visit]) -> None:
        self._same = visits
        self._differing: list[Visit] = []
        self._texts: list[set[str]] = [set() for _ in visits]
        self._learnt = self._laid = 0  # lines, since they were last counted
        self.useful = True

    def lay(self, applier: Putter, node: Node, context: Context) -> int | None:
        """Fills a resource that has nothing yet: how many repetitions have content; None, with nothing laid, where
        that takes the rules one by one."""
        fields, differing = context.segment.fields, self._differing
        self._laid += 1
        texts = [fields[visit.field] for visit in self._same]
        key = (self, applier.written, *texts)
        made = applier.tables.lines.get(key)
        if made is None:
            made = self._learn(applier, texts, node.type, context)
            if made is None:
                return None
            if len(applier.tables.lines) >= MOST_LINES:
                applier.tables.lines.clear()
            applier.tables.lines[key] = made
        node.items = dict(made.items) if made.plain else copied_items(made.items)
        used = made.used
        for visit in differing:
            one = made_of(applier, visit, fields[visit.field], node.type, context)
            if one is None or not self._lay_after(one, node):
                node.items = {}
                return None
            used += one.used
        return used

    def _lay_after(self, made: Made, node: Node) -> bool:
        """Lays what stands before or between others after them; not where both are about the same, as the order of a
        list and which of two values holds are by the order of the fields."""
        for name, item in made.items.items():
            if name in node.items and not _apart(item, node.items[name]):
                self.useful = False
                return False
        return lay(made, node.items)

    def _learn(self, applier: Putter, texts: list[str], type_name: str, context: Context) -> Made | None:
        """What the fields that are the same make together; which of them differ after all."""
        together, used = Node(type_name), 0
        for visit, text, seen in zip(self._same, texts, self._texts, strict=True):
            one = made_of(applier, visit, text, type_name, context)
            if one is None or not lay(one, together.items):
                return None
            used += one.used
            seen.add(text)
        if self._learnt >= MOST_LEARNT:
            self.useful = self._laid > 2 * MOST_LEARNT  # more than half of them came again
            self._learnt = self._laid = 0
        self._learnt += 1
        if any(len(seen) > FEW_TEXTS for seen in self._texts):
            self._tell_apart()
        return Made(together.items, used, is_plain(together.items))

    def _tell_apart(self) -> None:
        """From now on without those that differ."""
        told = list(zip(self._same, self._texts, strict=True))
        self._differing = [*self._differing, *(visit for visit, seen in told if len(seen) > FEW_TEXTS)]
        self._same = [visit for visit, seen in told if len(seen) <= FEW_TEXTS]
        self._texts = [seen for _, seen in told if len(seen) <= FEW_TEXTS]
        self._learnt = self._laid = 0


def _apart(item: Any, there: Any) -> bool:
    """Whether two are elements that have nothing in common."""
    return isinstance(item, Element) and isinstance(there, Element) and item.items.keys().isdisjoint(there.items)
