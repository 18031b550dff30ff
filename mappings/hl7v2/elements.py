"""Resources while they are made: elements whose arrays are addressed by keys, so that rules can meet in one item.

A key is what the tables mean by `telecom[2]`, with the segment and the repetition that it came from; the order in which
keys first appear is the order of the array.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from mappings.hl7v2.tidying import TIDY, once

Key = Hashable
KEPT = ("CodeableConcept", "Coding", "Observation.referenceRange")  # what no step after the rules changes
FEW = 8  # items that are compared with one another; more are told apart by a hash


class Element:
    """An element of a type; items hold primitives, elements, resources that are referred to, or arrays by key.

    kept: its JSON, where it is the same element in resources of many messages: then it is never changed.
    """

    __slots__ = ("items", "kept", "type")

    def __init__(self, type_name: str) -> None:
        self.type = type_name
        self.items: dict[str, Any] = {}
        self.kept: dict[str, Any] | None = None

    def put(self, name: str, value: Any, repeats: bool = False, key: Key = 0) -> None:
        """Sets an element, or the item of an array under a key."""
        if repeats:
            self.items.setdefault(name, {})[key] = value
        else:
            self.items[name] = value

    def get(self, name: str, repeats: bool = False, key: Key = 0) -> Any:
        """The element, or the item under a key; None where there is none."""
        found = self.items.get(name)
        return found.get(key) if repeats and found is not None else found

    def child(self, name: str, type_name: str, repeats: bool = False, key: Key = 0) -> Element:
        """The element there, to be changed; made where there is none."""
        found = self.get(name, repeats, key)
        if not isinstance(found, Element):
            found = Element(type_name)
            self.put(name, found, repeats, key)
        elif found.kept is not None:
            found = _own(found)
            self.put(name, found, repeats, key)
        return found

    def values(self, name: str) -> list[Any]:
        """What is under a name, as a list."""
        found = self.items.get(name)
        if found is None:
            return []
        return list(found.values()) if isinstance(found, dict) else [found]

    def first(self, name: str) -> Any:
        """The first of what is under a name, None where nothing is."""
        return next(iter(self.values(name)), None)

    def add(self, name: str, value: Any) -> None:
        """Appends to an array, under a key of its own."""
        array = self.items.setdefault(name, {})
        array[("added", len(array))] = value


def copied(element: Element) -> Element:
    """An element with the same content, to be changed; one that is never changed as it is."""
    return element if element.kept is not None else _own(element)


def _own(element: Element) -> Element:
    copy = Element(element.type)
    copy.items = copied_items(element.items)
    return copy


def copied_items(items: dict[str, Any]) -> dict[str, Any]:
    """The items of an element for another one."""
    copies = {}
    for name, item in items.items():
        kind = type(item)
        if kind is str:
            copies[name] = item
        elif kind is dict:
            copies[name] = {key: copied(one) if isinstance(one, Element) else one for key, one in item.items()}
        else:
            copies[name] = copied(item) if isinstance(item, Element) else item
    return copies


def keep(item: Any) -> None:
    """Keeps the JSON of what is in an item and of a type that no step after the rules changes."""
    if isinstance(item, dict):
        for one in item.values():
            keep(one)
    elif isinstance(item, Element) and item.kept is None:
        home = Node("")
        if item.type in KEPT:
            found = to_json(item, home)
            # a transaction puts links right in place
            if not home.notes.get("left_out") and "urn:uuid:" not in repr(found):
                item.kept = found
        for one in item.items.values():
            keep(one)


class Node(Element):
    """A resource. source: the segment that began it; url: how others refer to it; criteria: its identity.

    group: that of the message whose resource it is; used: whether segments said something of it; segments: the first of
    each name that did; around: the groups around the first, outermost first; notes: what the finishing steps need to
    know.
    """

    __slots__ = (
        "around", "contained", "criteria", "group", "label", "notes", "ordinals", "segments", "source", "url", "used",
    )  # fmt: skip

    def __init__(self, type_name: str, label: str = "", source: Any = None) -> None:
        super().__init__(type_name)
        self.label = label
        self.source = source
        self.url = ""
        self.criteria: list[tuple[str, str]] = []
        self.group: Any = None
        self.used = False
        self.segments: dict[str, Any] = {}
        self.around: list[Any] | None = None
        self.ordinals: dict[tuple[str, str], int] = {}  # how many segments of a name a map was applied to
        self.notes: dict[str, Any] = {}
        self.contained = False


def to_json(element: Element, home: Node) -> dict[str, Any]:
    """The element as FHIR JSON, without what is empty; an extension without a value is dropped."""
    found: dict[str, Any] = {}
    kind = element.type
    for name, item in element.items.items():
        of = item.__class__
        if of is str:
            if item:
                found[name] = item
        elif of is Element and item.kept:
            found[name] = item.kept
        elif of is dict:
            values = []
            for one in item.values():
                value = one.kept if one.__class__ is Element and one.kept else _value(one, home)
                if value or value.__class__ not in _EMPTY:
                    values.append(value)
            if values:
                found[name] = values if len(values) == 1 else _unique(values)
        else:
            value = _value(item, home)
            if kind == "Attachment" and of is Node:  # a Binary, by the id that it is written under
                value = item.url if "/" in item.url else f"{item.type}/{item.url.removeprefix('urn:uuid:')}"
            if value or value.__class__ not in _EMPTY:
                found[name] = value
    if found and (tidy := TIDY.get(kind)):
        found = tidy(found, home.notes.setdefault("left_out", []))
    if kind == "Extension":
        valued = any(name.startswith("value") or name == "extension" for name in found)
        return found if valued and found.get("url") else {}
    if "extension" in found:
        extensions = once(found.pop("extension"), home.notes.setdefault("left_out", []))
        found = {"extension": extensions, **found}
    return found


_EMPTY = frozenset((type(None), str, dict, list))  # what says nothing where it is false, as 0 does not


def _value(item: Any, home: Node) -> Any:
    kind = item.__class__
    if kind is Element:
        return to_json(item, home) if item.kept is None else item.kept
    if kind is Node:
        node: Node = item.notes.get("same", item)
        return {"reference": ("#" if node.contained else "") + node.url} if node.url else None
    return item


def _unique(values: list[Any]) -> list[Any]:
    if len(values) > FEW:
        first: dict[Any, Any] = {}
        for value in values:
            first.setdefault(_frozen(value), value)
        return list(first.values())
    unique: list[Any] = []
    for value in values:
        if value not in unique:
            unique.append(value)
    return unique


def _frozen(value: Any) -> Hashable:
    """JSON as a value with a hash; equal where the JSON is."""
    if isinstance(value, dict):
        return frozenset([(name, _frozen(item)) for name, item in value.items()])
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
