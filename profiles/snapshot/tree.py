"""The tree of a profile's elements: each Node one ElementDefinition with its children and its slices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Json = dict[str, Any]

# what a constraint adds to, rather than replaces
_ADDED = {"constraint": "key", "extension": "url", "condition": None, "alias": None, "mapping": None, "example": None}
_NOT_OF_A_SLICE = ("slicing", "sliceName", "id")


class Node:
    """One element of a profile.

    element: its ElementDefinition, everything inherited included; name: the last part of its path, "value[x]" for a
    choice; children: by name, None where nothing is said of them but what their type says; slices: by sliceName, a
    slice of a slice by its whole name in the slices of that one. A new slice is made of what the base says of the
    element: what the profile itself says of all slices is said once, of the element.
    """

    __slots__ = ("_children", "_expand", "_origin", "element", "name", "slices")

    def __init__(self, name: str, element: Json, expand: Callable[[Node], dict[str, Node]] | None = None) -> None:
        self.name = name
        self.element = element
        self.slices: dict[str, Node] = {}
        self._children: dict[str, Node] | None = None
        self._expand = expand
        self._origin: Node | None = None

    @property
    def children(self) -> dict[str, Node] | None:
        """The children that the profile speaks of."""
        return self._children

    def add(self, child: Node) -> Node:
        """Takes a child in, in order."""
        if self._children is None:
            self._children = {}
        self._children[child.name] = child
        return child

    def expanded(self) -> dict[str, Node]:
        """The children, those of the type where the profile says nothing of them."""
        if self._children is None:
            self._children = self._expand(self) if self._expand else {}
            for child in self._children.values():
                child._origin = child._origin or Node(child.name, child.element, child._expand)
        return self._children

    def copy(self, name: str = "") -> Node:
        """A copy that can be changed."""
        node = Node(name or self.name, dict(self.element), self._expand)
        node._origin = self
        if self._children is not None:
            node._children = {key: child.copy() for key, child in self._children.items()}
        node.slices = {key: each.copy() for key, each in self.slices.items()}
        return node

    def slice(self, name: str) -> Node:
        """The slice with this name, made of the element, or of the slice it refines ("a/b" refines "a"), if new."""
        owner = self
        whole = ""
        for part in name.split("/"):
            whole = f"{whole}/{part}" if whole else part
            found = owner.slices.get(whole)
            if found is None:
                found = (owner._origin or owner).copy()
                found.slices = {}
                found.element = {k: v for k, v in found.element.items() if k not in _NOT_OF_A_SLICE}
                found.element |= {"sliceName": whole, "min": 0}
                owner.slices[whole] = found
            owner = found
        return owner

    def types(self) -> list[Json]:
        """Its types as ElementDefinition.type."""
        return self.element.get("type", [])

    def walk(self, path: str = "", identifier: str = "") -> Iterator[tuple[str, str, Node]]:
        """(path, id, node) of all that is expanded, in the order of a snapshot."""
        path = f"{path}.{self.name}" if path else self.name
        own = f"{identifier}.{self.name}" if identifier else self.name
        if "sliceName" in self.element:
            own = f"{own}:{self.element['sliceName']}"
        yield path, own, self
        parent_path, _, _ = path.rpartition(".")
        for child in (self._children or {}).values():
            yield from child.walk(path, own)
        for each in self.slices.values():
            yield from each.walk(parent_path, identifier)


def merge(element: Json, constraints: Json) -> Json:
    """An ElementDefinition with what a differential says of it."""
    merged = dict(element)
    for key, value in constraints.items():
        if key in ("path", "id"):
            continue
        if key in _ADDED and key in merged:
            merged[key] = _added(merged[key], value, _ADDED[key])
        elif key == "binding" and "binding" in merged:
            merged[key] = {**merged[key], **value}
        elif key.startswith(("fixed", "pattern")):
            for other in [other for other in merged if other.startswith(key[:5]) and other != key]:
                del merged[other]
            merged[key] = value
        else:
            merged[key] = value
    return merged


def _added(values: list[Any], more: list[Any], key: str | None) -> list[Any]:
    if key is None:
        return values + [value for value in more if value not in values]
    replaced = {value.get(key) for value in more}
    return [value for value in values if value.get(key) not in replaced] + more


def from_snapshot(elements: list[Json], expand: Callable[[Node], dict[str, Node]]) -> Node:
    """The tree of a snapshot's elements. ValueError where an element's parent is missing."""
    root = Node(elements[0]["path"], elements[0], expand)
    latest = {root.name: root}
    for element in elements[1:]:
        path: str = element["path"]
        parent_path, _, name = path.rpartition(".")
        parent = latest.get(parent_path)
        if parent is None:
            raise ValueError(f"the snapshot has {path} but not {parent_path}")
        node = Node(name, element, expand)
        whole = element.get("sliceName")
        if whole is None:
            parent.add(node)
        else:
            owner = (parent.children or {}).get(name)
            if owner is None:
                raise ValueError(f"the slice {whole} of {path} comes before the element that it slices")
            for part in _outer_names(whole):
                owner = owner.slices.get(part, owner)
            owner.slices[whole] = node
        latest[path] = node
    return root


def _outer_names(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts) - 1)]
