"""What rules make of a text or a value alone: made once, kept with the tables, and laid into many resources.

Analysers say the same codes, units, ranges and times again and again. What is kept is copied where a later step may
change it; codings and concepts are shared, with their JSON (elements.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from mappings.hl7v2.codings import translate_concept
from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Element, Node, copied, copied_items, keep
from mappings.hl7v2.primitives import convert
from mappings.hl7v2.rules import Rule
from mappings.hl7v2.source import Value, is_empty
from mappings.hl7v2.tables import Map
from mappings.hl7v2.targets import Step

if TYPE_CHECKING:
    from mappings.hl7v2.plans import Visit
    from mappings.hl7v2.putting import Putter

LONGEST_KEPT = 100  # characters of a text of which it is kept what it says
MOST_VALUES = 10_000  # values and texts whose elements are kept


class Place(NamedTuple):
    """Where a rule puts what it makes: a step of an element, by key where it repeats, and the resource around it."""

    holder: Element
    step: Step
    key: Any
    owner: Node

    def get(self) -> Any:
        """What is there; None for nothing."""
        return self.holder.get(self.step.name, self.step.repeats, self.key)

    def put(self, found: Any) -> None:
        """Puts a value there."""
        self.holder.put(self.step.name, found, self.step.repeats, self.key)


class Made(NamedTuple):
    """What the rules of a field make of a text: items of a resource, and how many repetitions have content.

    plain: see is_plain.
    """

    items: dict[str, Any]
    used: int
    plain: bool


def made_of(applier: Putter, visit: Visit, raw: str, type_name: str, context: Context) -> Made | None:
    """What the rules of a field make of its text, kept; None where it has to be made each time."""
    key = (visit, applier.written, raw)
    known: Made | None = applier.tables.values.get(key)
    if known is not None:
        return known
    if len(raw) > LONGEST_KEPT or '""' in raw or (applier.escape and applier.escape in raw):
        return None
    segment, issues, scratch, used = context.segment, len(applier.issues), Node(type_name), 0
    for number, value in enumerate(segment.repetitions(visit.field), 1):
        if not is_empty(value):
            used += 1
            for rule, _, _ in visit.ready:
                applier.put(rule, scratch, scratch, value, context, (segment.name, 1, number), visit.place)
    if len(applier.issues) > issues:
        del applier.issues[issues:]
        return None
    for item in scratch.items.values():
        keep(item)
    if len(applier.tables.values) > MOST_VALUES:
        applier.tables.values.clear()
    made = applier.tables.values[key] = Made(scratch.items, used, is_plain(scratch.items))
    return made


def is_plain(items: dict[str, Any]) -> bool:
    """Whether items may be put as they are, as nothing in them is ever changed."""
    for item in items.values():
        if isinstance(item, dict) or (isinstance(item, Element) and item.kept is None):
            return False
    return True


def lay(made: Made, items: dict[str, Any]) -> bool:
    """Puts what was made of a text into a resource; False, with nothing put, where it has to meet what is there."""
    if made.items.keys().isdisjoint(items):
        items.update(made.items if made.plain else copied_items(made.items))
        return True
    for name, item in made.items.items():
        mine = items.get(name)
        if isinstance(item, dict):
            if mine is not None and not (isinstance(mine, dict) and item.keys().isdisjoint(mine)):
                return False
        elif isinstance(item, Element) and mine is not None and not _joins(item, mine):
            return False
    for name, item in copied_items(made.items).items():
        mine = items.get(name)
        if isinstance(mine, dict) and isinstance(item, dict):
            mine.update(item)
        elif isinstance(mine, Element) and isinstance(item, Element):
            mine.items.update(item.items)
        else:
            items[name] = item
    return True


def _joins(item: Element, mine: Any) -> bool:
    """Whether an element is put into one that is there by its values alone."""
    return (
        type(mine) is Element
        and mine.kept is None
        and mine.type == item.type
        and item.type not in ("CodeableConcept", "Coding")
        and not any(isinstance(one, Element | dict) for one in item.items.values())
    )


def put_known(
    applier: Putter,
    rule: Rule,
    made_by: tuple[Map, str, Value, str],
    place: Place,
    context: Context,
    shown: str,
) -> bool:
    """Puts what a map makes of a value alone, made once and kept; False where it has to meet what is there."""
    mapping, map_name, value, kind = made_by
    existing = place.get()
    if existing is not None and (
        rule.vocabulary or type(existing) is not Element or existing.type != kind or existing.kept is not None
    ):
        return False
    name = (map_name, kind, rule.vocabulary, applier.zone, tuple([tuple(one) for one in value]))
    known = applier.tables.values.get(name)
    if known is None:
        issues = len(applier.issues)
        known = Element(kind)
        returned = applier.components(mapping, map_name, known, place.owner, value, context, shown)
        if returned is not None and kind == "Quantity":
            known.put("value", convert(str(returned), "decimal"))
        if rule.vocabulary:
            translate_concept(applier.tables, rule.vocabulary, known)
        if len(applier.issues) > issues:
            del applier.issues[issues:]
            return False
        if len(applier.tables.values) > MOST_VALUES:
            applier.tables.values.clear()
        applier.tables.values[name] = known
    if existing is None:
        place.put(copied(known))
        return True
    if any(isinstance(one, Element | dict) for one in known.items.values()):
        return False
    existing.items.update(known.items)
    return True
