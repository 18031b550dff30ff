"""What is in an element: whether there is anything, which choices, and that a value is absent."""

from __future__ import annotations

from typing import Any

from mappings.hl7v2.elements import Element, Node

ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"


def has_content(item: Any) -> bool:
    """Whether anything but empty elements is in it."""
    if isinstance(item, Element):
        if item.kept is not None:
            return bool(item.kept)
        return any(has_content(one) for name in item.items for one in item.values(name))
    return item not in (None, "")


def choices(node: Node, stem: str) -> list[str]:
    """The names under which a choice is stated, such as valueQuantity."""
    end = len(stem)
    return [name for name in node.items if name.startswith(stem) and "A" <= name[end : end + 1] <= "Z"]


def stated(node: Node, stem: str) -> bool:
    """Whether a choice has content; one that has none is taken away."""
    for name in choices(node, stem):
        if not has_content(node.items[name]):
            del node.items[name]
    return bool(choices(node, stem))


def suppose(node: Node, name: str, value: Any, repeats: bool = False) -> None:
    """Puts what R4 asks for and the message does not say: it yields to what is kept of the resource."""
    node.put(name, value, repeats, "supposed")
    yields(node, name)


def yields(node: Node, name: str, to: tuple[str, ...] = ()) -> None:
    """Marks an element as one that yields to what is kept; to: only to these values, () for any."""
    node.notes.setdefault("supposed", {})[name] = to


def absent(node: Node, code: str) -> None:
    """Says why there is no value."""
    concept = Element("CodeableConcept")
    coding = Element("Coding")
    coding.items = {"system": ABSENT, "code": code}
    concept.put("coding", coding, True)
    node.put("dataAbsentReason", concept)
