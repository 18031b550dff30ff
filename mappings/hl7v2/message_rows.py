"""The rows of a message structure, ready for use: where in the message each is, what it makes, and when."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from fhir_server.core.errors import FhirError
from mappings.hl7v2.conditions import Operand, read_condition
from mappings.hl7v2.context import Context
from mappings.hl7v2.links import Link, read_links
from mappings.hl7v2.plans import MOST_TEXTS, texts_of
from mappings.hl7v2.rules import base_of
from mappings.hl7v2.source import Segment
from mappings.hl7v2.tables import Map, MessageRow, Tables

_TARGET = re.compile(r"([A-Z][A-Za-z]+)(?:\[([^\]]*)\])?")
# Rows about the message itself, which becomes a transaction with one Provenance and no MessageHeader.
_ABOUT_MESSAGE = ("Bundle", "MessageHeader", "Basic", "EpisodeOfCare")


class Prepared(NamedTuple):
    """A row ready for use. depth: of the group around the segment whose instance the resource belongs to, 0 for the
    message itself; begins: whether each segment at its path begins a resource of its own."""

    row: MessageRow
    segment: str
    condition: Callable[[Any], bool] | None
    type: str
    label: str
    map: Map
    depth: int
    begins: bool
    links: tuple[Link, ...]


class Rows:
    """The rows at a path. What conditions that ask the segment alone say of its texts is kept."""

    def __init__(self) -> None:
        self._all: list[Prepared] = []
        self._asked: tuple[int, ...] | None = ()  # the fields that conditions ask for; None where they ask for more
        self._known: dict[tuple[str, ...], list[Prepared]] = {}

    def add(self, prepared: Prepared, asks: frozenset[Operand]) -> None:
        """One more; asks: what its condition asks for."""
        self._all.append(prepared)
        if self._asked is None or not all(one.field and one.name == prepared.segment for one in asks):
            self._asked = None
        else:
            self._asked = tuple(sorted({*self._asked, *(one.field for one in asks)}))

    def that_apply(self, segment: Segment, context: Context, separators: str) -> list[Prepared]:
        """Those whose condition holds."""
        if self._asked == ():
            return self._all
        texts = texts_of(segment, self._asked, separators) if self._asked else None
        found = self._known.get(texts) if texts else None
        if found is None:
            found = [one for one in self._all if one.condition is None or one.condition(context)]
            if texts:
                if len(self._known) >= MOST_TEXTS:
                    self._known.clear()
                self._known[texts] = found
        return found


def rows_of(structure: str, tables: Tables) -> dict[str, dict[str, Rows]]:
    """The rows of a structure by the path of the group and the segment in it, kept with the tables."""
    kept = tables.__dict__.setdefault("_prepared", {})
    found = kept.get(structure)
    if found is None:
        found = kept[structure] = _read_rows(structure, tables)
    return found


def _read_rows(structure: str, tables: Tables) -> dict[str, dict[str, Rows]]:
    rows: list[tuple[MessageRow, str, str, str, str]] = []
    for row in tables.messages[structure]:
        found = _TARGET.match(row.target)
        if not found or found[1] in _ABOUT_MESSAGE or not tables.used(structure, row.map):
            continue
        if found[1] == "Provenance" and not row.map.startswith(("EVN[", "ORC[")):
            continue
        kind, label = found[1], found[2] or ""
        base = base_of(row.map)
        if base != kind:
            row, kind, label = _fitted(row, kind, label, base, tables)
            if not kind:
                continue
        group, _, segment = row.path.rpartition(".")
        rows.append((row, group, segment, kind, label))
    repeating = _repeating(tables.structures[structure])
    prepared: dict[str, dict[str, Rows]] = {}
    begun: dict[tuple[str, str, str], str] = {}
    groups: dict[tuple[str, str], set[str]] = {}
    for _, group, _, kind, label in rows:
        groups.setdefault((kind, label), set()).add(group)
    for row, group, segment, kind, label in rows:
        mapping = tables.map(row.map)
        if mapping is None:
            continue
        scope = min(
            (one for one in groups[kind, label] if group == one or group.startswith(f"{one}.") or not one), key=len
        )
        first = begun.setdefault((kind, label, scope), row.path)
        try:
            condition = read_condition(row.condition) if row.condition else None
        except FhirError:
            continue
        begins = first == row.path and row.path in repeating
        test, asks = (condition.test, condition.asks) if condition else (None, frozenset())
        depth = len(scope.split(".")) if scope else 0
        prepared.setdefault(group, {}).setdefault(segment, Rows()).add(
            Prepared(row, segment, test, kind, label, mapping, depth, begins, read_links(row.references)), asks
        )
    return prepared


def _fitted(row: MessageRow, kind: str, label: str, base: str, tables: Tables) -> tuple[MessageRow, str, str]:
    """A row whose map makes another type than its target: `Observation[1].note` by NTE[ServiceRequest] is meant by the
    map of its own type, `ServiceRequest[1].reasonReference(Condition)` makes the other and refers to it."""
    own = f"{row.map.partition('[')[0]}[{kind}]"
    if tables.map(own) is not None:
        return row._replace(map=own), kind, label
    inner = re.search(r"\.(\w+)\((\w+)\)", row.target)
    if inner and inner[2] == base:
        links = f"{kind}[{label}].{inner[1]}.reference={base}[].id; {row.references}"
        return row._replace(references=links), base, ""
    return row, "", ""


def _repeating(children: list[Any], path: str = "") -> set[str]:
    """The paths of segments that may repeat where they stand."""
    found: set[str] = set()
    for child in children:
        here = f"{path}.{child[0]}" if path else child[0]
        if len(child) > 3:
            found |= _repeating(child[3], here)
        elif child[2] != 1:
            found.add(here)
    return found
