"""One rule applied to one value: where its target is, and what the maps of data types make of components."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from fhir_server.definitions import load
from mappings.hl7v2.codings import translate_concept
from mappings.hl7v2.context import Context
from mappings.hl7v2.elements import Element, Node
from mappings.hl7v2.laying import Place, put_known
from mappings.hl7v2.locations import locations
from mappings.hl7v2.primitives import convert
from mappings.hl7v2.rules import Rule, base_of
from mappings.hl7v2.source import Segment, Value, component, is_empty, is_null, part
from mappings.hl7v2.tables import Map, Tables
from mappings.hl7v2.values import data_of, primitive_of, translated


class Traced(NamedTuple):
    """One element and the rule that made it."""

    source: str
    value: str
    node: Node
    path: str
    rule: Rule


class Putter:
    """Puts what rules make; one a message.

    zone: for times that state none; issues: what could not be read, in sentences;
    separators: MSH-1 and MSH-2, with which a field as written tells what it says.
    """

    def __init__(self, tables: Tables, zone: str, traced: list[Traced] | None, separators: str) -> None:
        self.tables = tables
        self.zone = zone
        self.separators = separators
        self.written = f"{zone} {separators}"
        self.escape = separators[3:4]
        self.traced = traced
        self.issues: list[str] = []
        self.made: list[Node] = []  # resources that others refer to
        self.neighbours: dict[tuple[int, str], Segment | None] = {}
        self._primitive = load().is_primitive
        self._resource = load().is_resource

    def put(
        self,
        rule: Rule,
        node: Node,
        base: Element,
        value: Value,
        context: Context,
        scope: tuple[str, int, int],
        shown: str,
    ) -> None:
        """Applies a rule to a value: puts what it makes where its target is. scope: the segment, its ordinal, the
        repetition; shown: the place for issues and traces."""
        target = rule.target
        if not target.steps:
            self._put_whole(rule, node, base, value, context, shown)
            return
        kind = target.type
        step = target.steps[0]
        if len(target.steps) == 1 and not step.repeats:
            place = Place(base, step, 0, node)
        else:
            place = self._reach(rule, node, base, scope)
        if rule.assignment is not None:
            text = rule.assignment if isinstance(rule.assignment, str) else rule.assignment(context)
            found = convert(text, kind, self.zone) if text else None
        elif not value:
            return
        elif rule.map and kind != "base64Binary":
            found = self._by_map(rule, value, kind, place, context, shown)
            if found is _DONE:
                return
        elif kind == "base64Binary":
            found = data_of(self, value, rule, context, shown)
        elif not rule.primitive:
            return
        else:
            found = primitive_of(self, part(value), kind, rule, base, place.step, shown)
        if rule.vocabulary and isinstance(found, str) and rule.assignment is None:
            found = translated(self, rule, found, kind, shown)
        if found is None:
            return
        if rule.map and isinstance(found, str) and rule.primitive and kind not in ("code", "string"):
            text, found = found, convert(found, kind, self.zone)
            if found is None:
                self.issues.append(f"{shown}: {text[:40]!r} is no {kind}.")
                return
        place.put(found)
        self._note(rule, place.owner, shown, found)

    def _put_whole(self, rule: Rule, node: Node, base: Element, value: Value, context: Context, shown: str) -> None:
        """`$this`: the map adds to the resource itself, or makes a resource beside it."""
        kind = base_of(rule.map)
        inner = self.tables.map(rule.map)
        if inner is None or is_empty(value):
            return
        if kind and self._resource(kind) and kind != node.type:
            beside = Node(kind, f"{kind} of {node.type}", node.source)
            beside.notes["beside"] = node
            self.made.append(beside)
            self.components(inner, rule.map, beside, beside, value, context, shown)
            return
        self.components(inner, rule.map, base, node, value, context, shown)

    def _reach(self, rule: Rule, node: Node, base: Element, scope: tuple[str, int, int]) -> Place:
        """Where the target of a rule is, with what leads there made."""
        steps, _, _, _, first, chosen, types = rule.target
        name, ordinal, repetition = scope
        last = len(steps) - 1
        element, owner = base, node
        for index, step in enumerate(steps):
            label = step.label
            key: Any = 0
            if step.repeats:
                if step.name == "extension":
                    key = ((name, "" if label.startswith("*") else rule.field), label or "1")
                else:
                    key = (name if label else "", label if label != "each" else "")
                key = (*key, ordinal if index == first else 1, repetition if index == chosen else 1)
            if index == last:
                return Place(element, step, key, owner)
            if step.refers:
                found = element.get(step.name, step.repeats, key)
                if not isinstance(found, Node) or found.type != step.refers:
                    found = Node(step.refers, source=node.source)
                    self.made.append(found)
                    element.put(step.name, found, step.repeats, key)
                element = owner = found
            else:
                element = element.child(step.name, types[index], step.repeats, key)
        raise AssertionError

    def _by_map(self, rule: Rule, value: Value, kind: str, place: Place, context: Context, shown: str) -> Any:
        """What the rule's map makes of a value, _DONE where that is put already."""
        mapping = self.tables.map(rule.map)
        if mapping is None:
            if not self._primitive(kind):
                return None
            return primitive_of(self, part(value), kind, rule, place.holder, place.step, shown)
        base = base_of(rule.map)
        if kind == "Reference":
            return self._refer(rule, mapping, base, value, place, context, shown)
        holder = place.holder
        if self._primitive(kind):
            return self.components(mapping, rule.map, holder, place.owner, value, context, shown)
        if base == kind or (base and base != holder.type and kind in ("Quantity", "Duration", "Age", "Coding")):
            self._fill(rule, mapping, value, kind, place, context, shown)
            return _DONE
        if base == holder.type:
            self.components(mapping, rule.map, holder, place.owner, value, context, shown)
            return _DONE
        return None

    def _refer(
        self, rule: Rule, mapping: Map, base: str, value: Value, place: Place, context: Context, shown: str
    ) -> Any:
        """A reference to the resource that the map makes; one that is there already is added to."""
        refers = base if base and self._resource(base) else place.step.refers
        if not refers:
            return None
        if base == "Location" and any(rule.target.own for rules in mapping.by_field.values() for rule in rules):
            found = locations(self, mapping, rule.map, value, context, shown)
            if found is not None:
                place.put(found)
                self._note(rule, place.owner, shown, found.type)
            return _DONE
        existing = place.get()
        known = isinstance(existing, Node) and existing.type == refers
        node = existing if known else Node(refers, source=place.owner.source)
        self.components(mapping, rule.map, node, node, value, context, shown)
        if node.items:
            if not known:
                self.made.append(node)
                place.put(node)
            self._note(rule, place.owner, shown, node.type)
        return _DONE

    def _fill(
        self, rule: Rule, mapping: Map, value: Value, kind: str, place: Place, context: Context, shown: str
    ) -> None:
        """The element of a data type, filled by its map."""
        holder, step, key, owner = place
        own = (mapping, rule.map, value, kind)
        if mapping.pure and self.traced is None and put_known(self, rule, own, place, context, shown):
            return
        element = holder.child(step.name, kind, step.repeats, key)
        before = len(element.items)
        siblings: Callable[[str], Element] = lambda own: holder.child(step.name, kind, step.repeats, (key, own))  # noqa: E731
        returned = self.components(mapping, rule.map, element, owner, value, context, shown, siblings)
        if returned is not None and kind == "Quantity":
            element.put("value", convert(str(returned), "decimal"))
        if rule.vocabulary:
            translate_concept(self.tables, rule.vocabulary, element)
        if len(element.items) > before:
            self._note(rule, owner, shown, None)

    def components(
        self,
        mapping: Map,
        map_name: str,
        element: Element,
        node: Node,
        value: Value,
        context: Context,
        shown: str,
        siblings: Callable[[str], Element] | None = None,
    ) -> Any:
        """Applies a data type map to an element; the value of `$value` rules, where the map has such."""
        outer, context.inner = context.inner, value
        returned: Any = None
        try:
            for rule in mapping.constants:
                if rule.condition is None or rule.condition(context):
                    self.put(rule, node, element, [], context, (map_name, 1, 1), shown)
            for number, rules in mapping.by_field.items():
                if number > len(value) and number not in mapping.absent:
                    continue
                inner = component(value, number)
                if is_empty(inner):
                    for rule in rules:
                        if _holds_for_absence(rule, context):
                            self.put(rule, node, element, [], context, (map_name, 1, 1), shown)
                    continue
                if is_null(inner):
                    continue
                place = f"{shown}.{number}"
                for rule in rules:
                    if rule.condition is not None and not rule.condition(context):
                        continue
                    if rule.target.value:
                        if returned is None:
                            returned = self._own_value(rule, inner, context, place)
                        continue
                    at = element
                    if rule.target.own and rule.target.own[0] != "1" and siblings is not None:
                        at = siblings(rule.target.own)
                    self.put(rule, node, at, inner, context, (map_name, 1, 1), place)
        finally:
            context.inner = outer
        return returned

    def _own_value(self, rule: Rule, value: Value, context: Context, shown: str) -> Any:
        if rule.assignment is not None:
            return rule.assignment if isinstance(rule.assignment, str) else rule.assignment(context) or None
        if rule.map and (mapping := self.tables.map(rule.map)) is not None:
            return self.components(mapping, rule.map, Element(""), Node(""), value, context, shown)
        return part(value) or None

    def _note(self, rule: Rule, node: Node, shown: str, value: Any) -> None:
        if self.traced is not None:
            path = ".".join(step.name.lstrip("_") for step in rule.target.steps)
            self.traced.append(Traced(shown, "" if value is None else str(value), node, path, rule))


_DONE = object()


def _holds_for_absence(rule: Rule, context: Context) -> bool:
    """Whether a rule is about its own source being empty, and its condition holds."""
    return rule.absent and rule.condition is not None and rule.condition(context)
