"""Where a rule is tried: the segment, the repetition, the component value, and the segments around."""

from __future__ import annotations

from typing import Any

from mappings.hl7v2.conditions import Operand
from mappings.hl7v2.source import NULL, Segment, Value, is_empty, is_null, part

# Names that conditions use for data types; all others are segments.
DATA_TYPES = frozenset((
    "CE", "CF", "CNE", "CNN", "CQ", "CWE", "CX", "DLD", "DLN", "DR", "DT", "DTM", "ED", "EI", "EIP", "FC", "FN",
    "FT", "HD", "ID", "IS", "JCC", "MO", "MSG", "NA", "NDL", "NM", "NR", "OG", "PL", "PLN", "PPN", "PT", "RI", "RP",
    "RPT", "SAD", "SI", "SN", "SPS", "ST", "TM", "TQ", "TS", "TX", "VID", "VR", "XAD", "XCN", "XON", "XPN", "XTN",
))  # fmt: skip


class Context:
    """One try of one rule. value: the repetition of the rule's field; inner: the value of the data type map at work."""

    __slots__ = ("_around", "_found", "_read", "field", "inner", "segment", "value")

    def __init__(
        self, segment: Segment, around: list[Any], found: dict[tuple[int, str], Segment | None] | None = None
    ) -> None:
        self._found = {} if found is None else found  # the first of a name in a group, looked for once a message
        self.segment = segment
        self.field = 0
        self.value: Value = []
        self.inner: Value | None = None
        self._read: dict[Operand, list[str]] = {}
        self._around = around  # the groups that the segment is in, outermost first

    def read(self, operand: Operand) -> list[str]:
        """The values at an operand, one a repetition; null counts as not valued."""
        known = self._read.get(operand)
        if known is not None:
            return known
        name, field, component, _ = operand
        if not name:
            own = self.inner if self.inner is not None else self.value
            return [] if is_empty(own) or is_null(own) else [part(own)]
        if name in DATA_TYPES:
            if name == "MSG" and self.segment.name != "MSH":
                header = self.neighbour("MSH")
                found = header.value(9, 1, field) if header else ""
            else:
                own = self.inner if self.inner is not None else self.value
                found = part(own, field or 1, component or 1)
                if not component and not found and field <= len(own):
                    found = next((sub for sub in own[(field or 1) - 1] if sub and sub != NULL), "")
            return [found] if found else []
        known = self._read[operand] = self._of_segment(operand)
        return known

    def _of_segment(self, operand: Operand) -> list[str]:
        name, field, component, subcomponent = operand
        segment = self.segment if name == self.segment.name else self.neighbour(name)
        if segment is None:
            return []
        if not field:
            return [segment.name]
        if field >= len(segment.fields):
            return []
        values = []
        for value in segment.repetitions(field):
            if component:
                found = part(value, component, subcomponent or 1)
            else:
                found = part(value) or next((sub for one in value for sub in one if sub and sub != NULL), "")
            if found:
                values.append(found)
        return values

    def neighbour(self, name: str) -> Segment | None:
        """The nearest segment of this name: in the segment's group and the groups in it, then in those around it."""
        for group in reversed(self._around):
            key = (id(group), name)
            if key in self._found:
                found = self._found[key]
            else:
                found = self._found[key] = _first(group, name)
            if found is not None:
                return found
        return None


def _first(group: Any, name: str) -> Segment | None:
    for child in group.children:
        if hasattr(child, "children"):
            found = _first(child, name)
            if found is not None:
                return found
        elif child.name == name:
            return child
    return None
