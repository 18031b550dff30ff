"""Whether the elements of a segment are what its table says; the codes are those of IK403 of a 999."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from interfaces.x12.problem import CONTENT, Problem
from interfaces.x12.segments import Delimiters, Segment
from mappings.x12.tables import Composite, Element, SegmentNode

TYPES: dict[str, tuple[re.Pattern[str], str, str]] = {
    "R": (re.compile(r"-?(\d+\.?\d*|\.\d+)(E-?\d+)?"), "6", "a decimal number"),
    "DT": (re.compile(r"(\d\d)?\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])"), "8", "a date as CCYYMMDD"),
    "TM": (re.compile(r"([01]\d|2[0-3])([0-5]\d){1,2}\d{0,2}"), "9", "a time as HHMM, HHMMSS or HHMMSSDD"),
} | {f"N{places}": (re.compile(r"-?\d+"), "6", "a whole number") for places in ("", *range(10))}

Tell = Callable[[str, str, str], None]  # code, element, message


def check(segment: Segment, node: SegmentNode, place: int, delimiters: Delimiters, problems: list[Problem]) -> None:
    """Adds what is wrong in a segment."""

    def tell(code: str, element: str, message: str) -> None:
        problems.append(Problem(CONTENT, code, segment.id, node.parent.id, place, element, message))

    values = segment.values
    if len(values) > len(node.elements) and any(values[len(node.elements) :]):
        number = len(node.elements)
        tell("3", f"{segment.id}{number + 1:02}", f"{segment.id} has at most {number} elements")
    for index, expected in enumerate(node.elements):
        value = values[index] if index < len(values) else ""
        if not value:
            if expected.usage == "R":
                tell("1", f"{segment.id}{index + 1:02}", f"{expected.name} is required")
            continue
        name = f"{segment.id}{index + 1:02}"
        if isinstance(expected, Composite):
            _composite(value, expected, name, delimiters, node.codes_checked, tell)
        else:
            _element(value, expected, name, node.codes_checked, tell)
    for condition in node.syntax:
        _condition(condition, values, segment.id, tell)


def _composite(
    value: str, expected: Composite, name: str, delimiters: Delimiters, codes_checked: bool, tell: Tell
) -> None:
    if expected.usage == "N":
        return tell("I10", name, f"{expected.name} is not used here")
    repetitions = value.split(delimiters.repetition) if delimiters.repetition else [value]
    if expected.most and len(repetitions) > expected.most:
        tell("12", name, f"{expected.name} may repeat {expected.most} times at most")
    for repetition in repetitions:
        parts = repetition.split(delimiters.component)
        if len(parts) > len(expected.components):
            tell("13", name, f"{expected.name} has at most {len(expected.components)} components")
        for index, component in enumerate(expected.components):
            part = parts[index] if index < len(parts) else ""
            if part:
                _element(part, component, f"{name}-{index + 1}", codes_checked, tell)
            elif component.usage == "R":
                tell("1", f"{name}-{index + 1}", f"{component.name} is required")
    return None


def _element(value: str, expected: Element, name: str, codes_checked: bool, tell: Tell) -> None:
    shown = value[:40]
    if expected.usage == "N":
        return tell("I10", name, f"{expected.name} is not used here, but is {shown!r}")
    length = len(value.lstrip("-").replace(".", "", 1)) if expected.type[0] in "RN" else len(value)
    if expected.most and length > expected.most:
        tell("5", name, f"{expected.name} {shown!r} is longer than {expected.most}")
    elif length < expected.least:
        tell("4", name, f"{expected.name} {shown!r} is shorter than {expected.least}")
    kind = TYPES.get(expected.type)
    if kind and not kind[0].fullmatch(value):
        return tell(kind[1], name, f"{expected.name} {shown!r} must be {kind[2]}")
    if codes_checked and expected.codes and value not in expected.codes:
        possible = ", ".join(sorted(expected.codes)[:12])
        tell("7", name, f"{expected.name} {shown!r} must be one of {possible}")
    return None


def _condition(condition: str, values: Sequence[str], id: str, tell: Tell) -> None:
    """A relational condition: P all or none, R at least one, E at most one, C the first asks for the others, L the
    first asks for one of the others."""
    numbers = [int(condition[at : at + 2]) for at in range(1, len(condition) - 1, 2)]
    there = [number <= len(values) and bool(values[number - 1]) for number in numbers]
    rule = condition[0]
    named = ", ".join(f"{id}{number:02}" for number in numbers)
    if rule == "P" and any(there) and not all(there):
        missing = numbers[there.index(False)]
        tell("2", f"{id}{missing:02}", f"{named} must be there together")
    elif rule == "R" and not any(there):
        tell("2", f"{id}{numbers[0]:02}", f"one of {named} must be there")
    elif rule == "E" and sum(there) > 1:
        tell("10", f"{id}{numbers[1]:02}", f"only one of {named} may be there")
    elif rule == "C" and there[0] and not all(there[1:]):
        missing = numbers[1 + there[1:].index(False)]
        tell("2", f"{id}{missing:02}", f"{id}{missing:02} must be there with {id}{numbers[0]:02}")
    elif rule == "L" and there[0] and not any(there[1:]):
        tell("2", f"{id}{numbers[1]:02}", f"one of {named} must be there with {id}{numbers[0]:02}")
