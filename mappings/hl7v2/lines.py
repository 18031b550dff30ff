"""Whole segments of texts that come again, laid into a resource at once.

Most fields of a line say the same in line after line: the code, its unit, its range, its flags. What these make
together is made once (a Line is kept with each plan, and so with the tables); only what differs from line to line, such
as the value, is laid in field by field. Which fields differ is learnt from the texts that come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Node, copied_items
from mappings.hl7v2.laying import Made, is_plain, lay, made_of

if TYPE_CHECKING:
    from mappings.hl7v2.plans import Visit
    from mappings.hl7v2.putting import Putter

FEW_TEXTS = 300  # of a field; one that has had more differs from line to line
MOST_LINES = 1000  # that are kept with a plan


class Line:
    """What a plan makes of its fields where each depends on its own text alone. useful: whether it can be laid so."""

    __slots__ = ("_differing", "_known", "_laid", "_same", "_texts", "useful")

    def __init__(self, visits: list[Visit]) -> None:
        self._same = visits
        self._differing: list[Visit] = []
        self._texts: list[set[str]] = [set() for _ in visits]
        self._known: dict[tuple[str, ...], Made] = {}
        self._laid = 0  # since it knew none
        self.useful = True

    def lay(self, applier: Putter, node: Node, context: Context) -> int | None:
        """Fills a resource that has nothing yet: how many repetitions have content; None, with nothing laid, where
        that takes the rules one by one."""
        fields, differing = context.segment.fields, self._differing
        self._laid += 1
        texts = (applier.written, *[fields[visit.field] for visit in self._same])
        made = self._known.get(texts)
        if made is None and (made := self._learn(applier, texts, node.type, context)) is None:
            return None
        node.items = dict(made.items) if made.plain else copied_items(made.items)
        used = made.used
        for visit in differing:
            one = _of(applier, visit, fields[visit.field], node.type, context)
            if one is None or not self._lay_after(one, node):
                node.items = {}
                return None
            used += one.used
        return used

    def _lay_after(self, made: Made, node: Node) -> bool:
        """Lays what stands before or between others after them; not into their lists, which have an order."""
        for name, item in made.items.items():
            if isinstance(item, dict) and name in node.items:
                self.useful = False
                return False
        return lay(made, node.items)

    def _learn(self, applier: Putter, texts: tuple[str, ...], type_name: str, context: Context) -> Made | None:
        """What the fields that are the same make together, kept; which of them differ after all."""
        together, used = Node(type_name), 0
        for visit, text, seen in zip(self._same, texts[1:], self._texts, strict=True):
            one = _of(applier, visit, text, type_name, context)
            if one is None or not lay(one, together.items):
                return None
            used += one.used
            seen.add(text)
        made = Made(together.items, used, is_plain(together.items))
        if len(self._known) >= MOST_LINES:
            self.useful = self._laid > 2 * MOST_LINES  # more than half of them came again
            self._forget()
        self._known[texts] = made
        if any(len(seen) > FEW_TEXTS for seen in self._texts):
            self._tell_apart()
        return made

    def _tell_apart(self) -> None:
        """From now on without those that differ."""
        told = list(zip(self._same, self._texts, strict=True))
        self._differing = [*self._differing, *(visit for visit, seen in told if len(seen) > FEW_TEXTS)]
        self._same = [visit for visit, seen in told if len(seen) <= FEW_TEXTS]
        self._texts = [seen for _, seen in told if len(seen) <= FEW_TEXTS]
        self._forget()

    def _forget(self) -> None:
        self._known.clear()
        self._laid = 0


def _of(applier: Putter, visit: Visit, text: str, type_name: str, context: Context) -> Made | None:
    """What a field's text makes, None where it has to be made each time."""
    known = applier.tables.values.get((visit, applier.written, text))
    return known or made_of(applier, visit, text, type_name, context)
