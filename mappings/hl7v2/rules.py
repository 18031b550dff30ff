"""Rules: a row of a table, read."""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import load
from mappings.hl7v2.assignments import Assignment, compile_assignment
from mappings.hl7v2.conditions import Condition, Need, read_condition
from mappings.hl7v2.context import DATA_TYPES
from mappings.hl7v2.targets import Target, parse_target

HL7, OURS, SITE = "HL7", "ours", "site"


class Row(NamedTuple):
    """A row as the tables state it. origin: HL7, ours or site."""

    source: str
    condition: str = ""
    target: str = ""
    map: str = ""
    vocabulary: str = ""
    assignment: str = ""
    comment: str = ""
    origin: str = HL7


class Rule(NamedTuple):
    """A row that can be applied. field: the field or component it reads, 0 for none; row: where it comes from."""

    name: str
    field: int
    condition: Condition | None
    target: Target
    map: str
    vocabulary: str
    assignment: Assignment | None
    row: Row
    stable: bool = False  # whether its condition is about the segments only, not about the value at hand
    absent: bool = False  # whether it says what holds where its own source is empty
    needs: tuple[Need, ...] = ()  # what of a segment its condition needs at least
    decided: bool = False  # whether its condition asks nothing but these
    primitive: bool = False  # whether its target is a primitive


# The data type whose map reads a field where a row names none.
DEFAULT_MAPS = {
    "CodeableConcept": "CWE[CodeableConcept]", "Coding": "CWE[Coding]", "Identifier": "CX[Identifier]",
    "HumanName": "XPN[HumanName]", "Address": "XAD[Address]", "ContactPoint": "XTN[ContactPoint]",
    "Period": "DR[Period]", "Quantity": "CQ[Quantity]", "Range": "NR[Range]", "Attachment": "ED[Attachment]",
}  # fmt: skip
_MAP = re.compile(r"\s*(\w+)\s*\[\s*([\w.-]+)\s*\]?")


@functools.cache
def base_of(map_name: str) -> str:
    """The R4 type that a map makes: "CX[Identifier]" -> "Identifier", "PT[Meta]" -> "Meta"; "" for no type."""
    found = _MAP.fullmatch(map_name)
    name = re.split(r"[-.]", found[2])[0] if found else ""
    types = load().types
    if name in types:
        return name
    return next((known for known in types if known.lower() == name.lower()), "")


def read_rule(map_name: str, row: Row) -> Rule:
    """The rule of a row; FhirError "value" where the row can't be applied, with the reason."""
    base = base_of(map_name)
    if not base:
        raise error("value", f"{map_name} names no type of R4.")
    target_text, _, stated = row.target.partition("=")
    assignment_text = row.assignment or (stated if "=" in row.target else "")
    if "extension??" in target_text or "extension?" in target_text or not target_text.strip():
        raise error("value", "no element of R4 and no extension that is defined")
    target = parse_target(target_text, base)
    condition = read_condition(row.condition) if row.condition else None
    assignment = compile_assignment(assignment_text)
    found = re.fullmatch(r"(?:[A-Z][A-Z0-9]{1,2}[-.](\d+))?.*", row.source.strip())
    field = int(found[1]) if found and found[1] else 0
    if assignment is None:
        _require_source(field, row, target, assignment_text)
    kind = map_of(row.map, "" if target.value else target.type)
    name = f"{map_name} {row.source or '·'}"
    names = re.findall(r"\b([A-Z][A-Z0-9]{1,2})(?=[-. ]|$)", row.condition)
    stable = bool(names) and "IF NOT" not in row.condition and not any(one in DATA_TYPES for one in names)
    needs = (
        [need for need in condition.needs if need.operand.field and _is_segment(need.operand.name)] if condition else []
    )
    decided = condition is not None and condition.decided and len(needs) == len(condition.needs)
    return Rule(
        name, field, condition.test if condition else None, target, kind, row.vocabulary, assignment, row,
        stable, assignment is not None and _is_absent(row), tuple(needs), decided, load().is_primitive(target.type),
    )  # fmt: skip


def _require_source(field: int, row: Row, target: Target, assignment: str) -> None:
    """FhirError "value" where a row without an assignment that can be read says nothing else to put in the target."""
    if field == 0 and not row.map:
        raise error("value", f"says nothing to compute: {assignment or 'no assignment'}")
    if assignment.startswith("/") and not row.map and target.type not in _CONVERTED:
        raise error("value", f"says in words what to compute: {assignment}")
    if assignment and not assignment.startswith("/"):
        raise error("value", f"the assignment {assignment!r} can't be read")


def _is_absent(row: Row) -> bool:
    """Whether the condition of a row is that its own source is empty."""
    own = re.escape(row.source)
    return bool(re.search(rf"IF NOT VALUED|{own}(?![.\d])\s+(?:IS\s+)?NOT VALUED", row.condition, re.IGNORECASE))


def _is_segment(name: str) -> bool:
    return bool(name) and name not in DATA_TYPES


_CONVERTED = {"dateTime", "instant", "date", "base64Binary", "time"}


def map_of(stated: str, type_name: str) -> str:
    """The map that reads a source into a type."""
    found = _MAP.fullmatch(stated)
    if found:
        return f"{found[1]}[{found[2]}]"
    return DEFAULT_MAPS.get(type_name, "")


def check(map_name: str, rows: list[Row]) -> tuple[list[Rule], list[tuple[Row, str]]]:
    """The rules of a map, and the rows that can't be applied with the reason of each."""
    rules: list[Rule] = []
    left_out: list[tuple[Row, str]] = []
    for row in rows:
        if not row.target and not row.condition:
            continue
        try:
            rules.append(read_rule(map_name, row))
        except FhirError as problem:
            left_out.append((row, str(problem)))
    return rules, left_out
