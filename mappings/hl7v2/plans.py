"""Which rules a segment needs: found once for each shape of segment that comes, and kept with the map.

A shape is which of the map's fields are filled, and which of the values that conditions ask for are there; rules whose
condition the shape decides are left out, or are applied without asking again. Where nothing but the field is left to
ask for, what its rules make of a text is made once and laid into each resource (applying.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fhir_server.definitions import load
from mappings.hl7v2.conditions import Condition
from mappings.hl7v2.context import Context
from mappings.hl7v2.laying import LONGEST_KEPT
from mappings.hl7v2.lines import Line, first_of
from mappings.hl7v2.rules import Rule, base_of
from mappings.hl7v2.source import Segment
from mappings.hl7v2.tables import Map, Tables

MOST = 500  # shapes that are kept with a map
MOST_TEXTS = 5000  # texts of fields of which it is kept what they say


class Ready(NamedTuple):
    """A rule with what is still to be asked; stable: once a segment."""

    rule: Rule
    condition: Condition | None
    stable: bool


class Visit:
    """A field to look at. rules: all of its rules; ready: those that may apply to a value; without rules for a value
    the field is empty, and absent says what holds then. alone: whether what is made depends on the text only."""

    __slots__ = ("absent", "alone", "field", "place", "ready", "rules")

    def __init__(
        self, field: int, place: str, rules: list[Rule], ready: list[Ready], absent: list[Rule], alone: bool
    ) -> None:
        self.field = field
        self.place = place
        self.rules = rules
        self.ready = ready
        self.absent = absent
        self.alone = alone


class Plan(NamedTuple):
    """The rules for one shape of segment, in the order of the map."""

    constants: list[Ready]
    visits: list[Visit]
    line: Line | None  # where each field depends on its own text alone


def texts_of(segment: Segment, wanted: tuple[int, ...], separators: str) -> tuple[str, ...] | None:
    """The texts of fields, by which what they say is kept; None where they are too long for that, or have escapes."""
    fields = segment.fields
    length = len(fields)
    texts = [fields[field] if field < length else "" for field in wanted]
    escape, together = separators[3:4], "".join(texts)
    if (escape and escape in together) or (len(together) > LONGEST_KEPT and max(map(len, texts)) > LONGEST_KEPT):
        return None
    return separators, segment.name, *texts


def _told(mapping: Map, segment: Segment, context: Context, separators: str) -> tuple[str | None, ...]:
    """Which of the values that conditions ask for are there."""
    wanted = tuple([operand.field for operand, _ in mapping.needs])
    texts = texts_of(segment, wanted, separators)
    told = mapping.told.get(texts) if texts else None
    if told is not None:
        return told
    found: list[str | None] = []
    for operand, values in mapping.needs:
        found.append(first_of(context, operand, values) if operand.name == segment.name else None)
    if texts:
        if len(mapping.told) >= MOST_TEXTS:
            mapping.told.clear()
        mapping.told[texts] = tuple(found)
    return tuple(found)


def plan_of(mapping: Map, segment: Segment, context: Context, tables: Tables, separators: str) -> Plan:
    """The rules of a map that this segment needs. separators: MSH-1 and MSH-2 of its message."""
    fields = segment.fields
    length = len(fields)
    name = segment.name
    told = _told(mapping, segment, context, separators) if mapping.needs else ()
    shape = (name, *map(bool, fields), *told)
    plan = mapping.plans.get(shape)
    if plan is None:
        if len(mapping.plans) >= MOST:
            mapping.plans.clear()
        filled = tuple([field < length and fields[field] != "" for field in mapping.by_field])
        plan = mapping.plans[shape] = _made(mapping, name, filled, dict(zip(mapping.needs, told, strict=True)), tables)
    return plan


def _made(mapping: Map, name: str, filled: tuple[bool, ...], told: dict[Any, str | None], tables: Tables) -> Plan:
    known = {operand: value for (operand, _), value in told.items()}
    visits: list[Visit] = []
    for (field, rules), full in zip(mapping.by_field.items(), filled, strict=True):
        if full:
            ready = _ready(rules, name, known)
            alone = all(one.condition is None and _reads_its_field_only(one.rule, tables) for one in ready)
            visits.append(Visit(field, f"{name}-{field}", rules, ready, [], alone))
        elif field in mapping.absent:
            absent = [rule for rule in rules if rule.absent and rule.condition is not None]
            visits.append(Visit(field, f"{name}-{field}", rules, [], absent, False))
    constants = _ready(mapping.constants, name, known)
    alone = not constants and len(visits) > 1 and all(visit.alone for visit in visits)
    if not alone:
        return Plan(constants, visits, None)
    needs = [(operand, values, value) for (operand, values), value in told.items() if operand.name == name]
    asked = {*mapping.by_field, *(operand.field for operand, _, _ in needs)}
    return Plan(constants, visits, Line(visits, asked, needs))


def _ready(rules: list[Rule], name: str, known: dict[Any, str | None]) -> list[Ready]:
    ready: list[Ready] = []
    for rule in rules:
        own = [need for need in rule.needs if need.operand.name == name]
        if any(known[need.operand] not in need.values for need in own):
            continue
        decided = rule.decided and len(own) == len(rule.needs)
        ready.append(Ready(rule, None if decided else rule.condition, rule.stable))
    return ready


def _reads_its_field_only(rule: Rule, tables: Tables) -> bool:
    """Whether what a rule makes of a value depends on nothing else, and is no resource of its own."""
    if callable(rule.assignment) or rule.target.type in ("Reference", "base64Binary"):
        return False
    if any(step.refers for step in rule.target.steps):
        return False
    mapping = tables.map(rule.map) if rule.map else None
    if not rule.target.steps and load().is_resource(base_of(rule.map)):
        return False
    return mapping is None or mapping.pure
