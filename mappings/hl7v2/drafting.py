"""A message as resources that refer to one another: what it says, before anything is asked of the store."""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

from fhir_server.core.errors import error
from fhir_server.definitions import load
from mappings.hl7v2.applying import Applier
from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.links import PATIENT, VISIT, Link
from mappings.hl7v2.message_rows import Prepared, Rows, rows_of
from mappings.hl7v2.primitives import date_time, zone_of
from mappings.hl7v2.putting import Traced
from mappings.hl7v2.source import Message, Segment
from mappings.hl7v2.tables import Tables
from mappings.hl7v2.texts import read_texts


class Draft:
    """What a message says. nodes: resources in order; issues: what could not be read; sent: MSH-7 as an instant, "" for
    none; zone: of times that state none; traced: what each rule made, where that is asked for."""

    def __init__(self, message: Message, structure: str, zone: str) -> None:
        self.message = message
        self.structure = structure
        self.nodes: list[Node] = []
        self.traced: list[Traced] = []
        self.neighbours: dict[tuple[int, str], Segment | None] = {}
        self.issues: list[str] = []
        self.contains = False  # whether some resource is contained in another
        header = message.segments[0]
        self.header = header
        self.zone = zone_of(header.value(7)) or zone
        self.sent = date_time(header.value(7), self.zone) or ""
        self.facility = header.value(4) or header.value(3)

    def of(self, type_name: str) -> list[Node]:
        """The resources of a type."""
        return [node for node in self.nodes if node.type == type_name]

    def place(self, segment: Segment, field: int | str) -> str:
        """A field as issues name it: OBX-5, OBX[2]-5 for that of the second OBX."""
        number = self._numbers[id(segment)]
        return f"{segment.name}[{number}]-{field}" if number > 1 else f"{segment.name}-{field}"

    @functools.cached_property
    def _numbers(self) -> dict[int, int]:
        """By id, the how-manieth of its name each segment is."""
        counted: Counter[str] = Counter()
        numbers = {}
        for one in self.message.segments:
            counted[one.name] += 1
            numbers[id(one)] = counted[one.name]
        return numbers

    @property
    def event(self) -> str:
        """MSH-9.2, else EVN-1."""
        event = self.message.event
        if event:
            return event
        return next((one.value(1) for one in self.message.segments if one.name == "EVN"), "")


def structure_of(message: Message, tables: Tables) -> str:
    """The name of the structure by which a message is read; FhirError "not-supported" where no table has it."""
    kind, event = message.type, message.event
    if not event:
        event = next((one.value(1) for one in message.segments if one.name == "EVN"), "")
    named = [f"{kind}_{event}" if event else kind, message.structure, kind]
    for name in named:
        name = tables.like.get(name, name)
        if tables.messages.get(name):
            return name
    if not kind:
        text = "MSH-9 is empty; it must state the message's type and event, such as ORU^R01."
        raise error("not-supported", text, location="MSH-9")
    raise error(
        "not-supported",
        f"No mapping table has the message {kind}^{event or '(no event)'}; add rows for it to"
        " messages.csv of the site's tables, or let the interface ignore it.",
        location="MSH-9",
    )


def draft(message: Message, tables: Tables, *, zone: str = "Z", trace: bool = False) -> Draft:
    """The draft of a message. zone: of times that state none where MSH-7 states none either; trace: keep what each
    rule made. FhirError "not-supported" for a message that no table has."""
    structure = structure_of(message, tables)
    made = Draft(message, structure, zone)
    for segment in message.segments:
        read_texts(segment)
    root = message.grouped(structure, tables.structures[structure])
    separators = "".join(made.header.fields[1:3])
    applier = Applier(tables, made.zone, made.traced if trace else None, separators)
    _Walk(made, applier, rows_of(structure, tables)).walk(root)
    made.issues.extend(applier.issues)
    made.neighbours = applier.neighbours
    made.nodes.extend(applier.made)
    return made


class _Walk:
    """Applies the rows of a structure to the segments of a message, in order."""

    def __init__(self, made: Draft, applier: Applier, rows: dict[str, dict[str, Rows]]) -> None:
        self.draft = made
        self.applier = applier
        self.rows = rows
        self.current: dict[tuple[str, str, int], Node] = {}  # type, label, instance of its group
        self.latest: dict[tuple[str, int], Node] = {}  # the first of a type in a group that says something
        self.begun: dict[tuple[str, str, int], Node] = {}  # type, label, the segment that began it
        self.pending: list[tuple[Link, list[Any], int, Segment]] = []
        self.near: dict[tuple[str, str, int], Node | None] = {}  # what find finds once all rows are applied

    def walk(self, root: Any) -> None:
        """The whole message."""
        self._group(root, [])
        for link, around, ordinal, segment in self.pending:
            self._link(link, around, ordinal, segment)
        self.draft.nodes = [node for node in self.draft.nodes if node.used]

    def _group(self, group: Any, outer: list[Any]) -> None:
        around = [*outer, group]
        rows_here = self.rows.get(group.path.partition(".")[2], _NO_ROWS)
        whole = not outer  # whether what is in it is of its own patient, or of a visit that stands in it
        for child in group.children:
            if hasattr(child, "children"):
                self._group(child, around)
                whole = whole or "PV1" in [getattr(one, "name", "") for one in child.children]
                continue
            name = child.name
            whole = whole or name == "PID"
            rows = rows_here.get(name)
            if rows:
                context = Context(child, around, self.applier.neighbours)
                for prepared in rows.that_apply(child, context, self.applier.separators):
                    self._apply(prepared, child, around, context)
        if whole:
            self._complete(around)

    def _apply(self, prepared: Prepared, segment: Segment, around: list[Any], context: Context) -> None:
        node = self._node(prepared, segment, around)
        key = (prepared.row.map, segment.name)
        ordinal = node.ordinals[key] = node.ordinals.get(key, 0) + 1
        issues = self.applier.issues
        before = len(issues)
        used = self.applier.segment(prepared.map, context, node, ordinal)
        for at in range(before, len(issues)):
            name, hyphen, rest = issues[at].partition("-")
            field, colon, what = rest.partition(":")
            if hyphen and colon and name == segment.name:
                issues[at] = self.draft.place(segment, field) + ":" + what
        if used:
            node.used = True
            self.latest.setdefault((node.type, id(node.group)), node)
            first = node.segments.setdefault(segment.name, segment)
            if first is not segment and segment.name == "PID" and first.fields[2:5] != segment.fields[2:5]:
                text = f"ERROR {self.draft.place(segment, 3)}: {self.draft.structure} is about one patient, and this is"
                self.draft.issues.append(f"{text} another; send a message for each.")
            if node.around is None:
                node.around = around
        if prepared.links:
            self.pending += [(link, around, ordinal, segment) for link in prepared.links]

    def _node(self, prepared: Prepared, segment: Segment, around: list[Any]) -> Node:
        group, kind, label = around[prepared.depth], prepared.type, prepared.label
        key = (kind, label, id(group))
        node = self.current.get(key)
        if node is None or (prepared.begins and node.source is not segment):
            node = Node(kind, label, segment)
            node.group = group
            self.current[key] = self.begun[kind, label, id(segment)] = node
            self.draft.nodes.append(node)
        return node

    def find(self, type_name: str, label: str, around: list[Any]) -> Node | None:
        """The resource of a type, by label where it is known, in the nearest group around."""
        for group in reversed(around):
            found = self.current.get((type_name, label, id(group)))
            if found is None or not found.used:
                found = self.latest.get((type_name, id(group)))
            if found is not None:
                return found
        return None

    def _link(self, link: Link, around: list[Any], ordinal: int, segment: Segment) -> None:
        kind, label, target, other_kind, other_label = link
        steps = target.steps
        last = steps[-1]
        holder = self._meant(kind, label, around, segment)
        if holder is None or len(steps) > 3 or (len(steps) == 1 and not last.repeats and last.name in holder.items):
            return
        other = self._meant(other_kind, other_label, around, segment)
        if other is None or holder is other:
            return
        element: Element = holder
        for step in steps[:-1]:
            if step.refers:
                return
            element = element.child(step.name, "", step.repeats, ("", step.label, ordinal, 1))
        if last.repeats:
            element.put(last.name, other, True, ("link", id(other)))
        elif element.get(last.name) is None:
            element.put(last.name, other)

    def _meant(self, type_name: str, label: str, around: list[Any], segment: Segment) -> Node | None:
        """The resource that a segment began, where it says something; else the one that is nearest to it."""
        found = self.begun.get((type_name, label, id(segment)))
        return found if found is not None and found.used else self._near(type_name, label, around, len(around) - 1)

    def _near(self, type_name: str, label: str, around: list[Any], depth: int) -> Node | None:
        """What find finds in the first groups around, up to this depth; looked for once in each."""
        group = id(around[depth])
        key = (type_name, label, group)
        near = self.near
        if key in near:
            return near[key]
        found = self.current.get(key)
        if found is None or not found.used:
            found = self.latest.get((type_name, group))
        if found is None and depth:
            found = self._near(type_name, label, around, depth - 1)
        near[key] = found
        return found

    def _complete(self, around: list[Any]) -> None:
        """Links the patient and the visit of a group to what in it has none."""
        inside = {id(around[-1])}
        _collect(around[-1], inside)
        patient = self.find("Patient", "1", around) or self._inner("Patient", inside)
        visit = self.find("Encounter", "1", around) or self._inner("Encounter", inside)
        for node in [*self.draft.nodes, *self.applier.made]:
            if id(node.group) not in inside and (patient is None or node.notes.get("beside") is not patient):
                continue
            kind = node.type
            name = PATIENT.get(kind, "")
            if patient is not None and name and name not in node.items and node is not patient:
                node.put(name, patient, load().properties(kind)[name].element.repeats, "patient")
            name = VISIT.get(kind, "")
            if visit is not None and name:
                element: Element = node
                if "." in name:
                    element, name = node.child(name.partition(".")[0], ""), name.partition(".")[2]
                if name not in element.items:
                    element.put(name, visit, name == "encounter" and element is not node, "visit")

    def _inner(self, type_name: str, inside: set[int]) -> Node | None:
        return next(
            (node for (kind, place), node in self.latest.items() if kind == type_name and place in inside), None
        )


def _collect(group: Any, found: set[int]) -> None:
    for child in group.children:
        if hasattr(child, "children"):
            found.add(id(child))
            _collect(child, found)


_NO_ROWS: dict[str, Rows] = {}
