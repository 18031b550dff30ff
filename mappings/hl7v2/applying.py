"""Maps applied to segments: which of their fields, repetitions and absent values rules look at."""

from __future__ import annotations

from typing import Any

from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Node
from mappings.hl7v2.laying import lay, made_of
from mappings.hl7v2.lines import Line
from mappings.hl7v2.plans import plan_of
from mappings.hl7v2.putting import Putter, Traced
from mappings.hl7v2.rules import Rule
from mappings.hl7v2.source import Segment, is_empty, is_null
from mappings.hl7v2.tables import Map

LATEST = 4  # lines of a map that are tried before it is asked which rules a segment needs


class Applier(Putter):
    """Applies maps; one a message."""

    def segment(self, mapping: Map, context: Context, node: Node, ordinal: int) -> int:
        """Applies a map to a segment; ordinal: the how-manieth of its name for this node. How many fields were used."""
        segment = context.segment
        fresh = ordinal == 1 and self.traced is None and not node.items
        if fresh and mapping.latest and (laid := self._lay_again(mapping.latest, node, context)) is not None:
            return laid
        tried: dict[Any, bool] = {}
        plan = plan_of(mapping, segment, context, self.tables, self.separators)
        if fresh and (line := plan.line) is not None and line.useful:
            laid = line.lay(self, node, context)
            if laid is not None:
                _came(line, mapping.latest)
                return laid
        for rule, condition, _ in plan.constants:
            if condition is None or condition(context):
                self.put(rule, node, node, [], context, (segment.name, ordinal, 1), segment.name)
        used = 0
        fields = segment.fields
        for visit in plan.visits:
            if visit.absent:
                self._absent(visit.absent, node, segment, context, ordinal)
                continue
            field, place = visit.field, visit.place
            if visit.alone and ordinal == 1 and self.traced is None:
                made = made_of(self, visit, fields[field], node.type, context)
                if made and lay(made, node.items):
                    used += made.used
                    continue
            rules, ready = visit.rules, visit.ready
            values = segment.repetitions(field)
            for number, value in enumerate(values, 1):
                if is_empty(value):
                    continue
                used += 1
                if is_null(value):
                    self._remove(rules, node, place)
                    continue
                context.value = value
                scope = (segment.name, ordinal, number)
                shown = f"{place}[{number}]" if len(values) > 1 else place
                for rule, condition, stable in ready:
                    if condition is not None:
                        if stable:
                            holds = tried.get(condition)
                            if holds is None:
                                holds = tried[condition] = condition(context)
                            if not holds:
                                continue
                        elif not condition(context):
                            continue
                    self.put(rule, node, node, value, context, scope, shown)
            context.value = []
        return used

    def _lay_again(self, latest: list[Line], node: Node, context: Context) -> int | None:
        """Fills a resource by one of the lines that came last, without a look for the plan."""
        for at, line in enumerate(latest):
            if line.useful and (laid := line.lay_again(self, node, context)) is not None:
                if at:
                    _came(line, latest)
                return laid
        return None

    def _absent(self, rules: list[Rule], node: Node, segment: Segment, context: Context, ordinal: int) -> None:
        """Rules that say what holds where their field is empty."""
        for rule in rules:
            if rule.condition is None or rule.condition(context):
                scope = (segment.name, ordinal, 1)
                self.put(rule, node, node, [], context, scope, f"{segment.name}-{rule.field}")

    def _remove(self, rules: list[Rule], node: Node, place: str) -> None:
        """Notes what a `""` asks to remove: the element, and the constants that tell it from its siblings."""
        for rule in rules:
            steps = rule.target.steps
            if not steps or rule.assignment is not None:
                continue
            names = []
            for step in steps:
                names.append(step.name)
                if step.repeats or step.refers:
                    break
            told: dict[str, str] = {}
            for other in rules:
                if isinstance(other.assignment, str) and len(other.target.steps) > len(names):
                    told[".".join(step.name for step in other.target.steps[len(names) :])] = other.assignment
            node.notes.setdefault("removals", []).append((tuple(names), told, place))
            if self.traced is not None:
                self.traced.append(Traced(place, '""', node, "removes " + ".".join(names), rule))


def _came(line: Line, latest: list[Line]) -> None:
    """Puts a line before those that came before it; at once, as long messages are read in threads."""
    latest[:] = [line, *[one for one in latest if one is not line]][:LATEST]
