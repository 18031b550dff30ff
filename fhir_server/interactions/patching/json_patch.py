"""JSON Patch (https://www.rfc-editor.org/rfc/rfc6902) on the JSON of a resource.

Paths are JSON Pointers (https://www.rfc-editor.org/rfc/rfc6901).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions
from fhir_server.interactions.patching.emptied import without_emptied

MOST_COPIED = 2**24  # bytes by all copies of a patch: each may double what the one before it made

_BAD_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"(0|[1-9][0-9]{0,8})\Z")


def apply(resource: dict[str, Any], document: Any, definitions: Definitions) -> dict[str, Any]:
    """The patched copy; document: the parsed patch, an array of operations.

    Arrays and objects that a removal leaves empty are left out at the end, as FHIR has no empty elements. FhirError
    malformed where the document is no JSON Patch, unprocessable where an operation can't be applied; nothing changes.
    """
    emptied: list[Any] = []
    patched = without_emptied(apply_operations(resource, document, emptied), emptied)
    if not isinstance(patched, dict):
        raise error("unprocessable", "The JSON Patch leaves no resource: it replaces the whole by something else.")
    return patched


def apply_operations(document: Any, operations: Any, emptied: list[Any]) -> Any:
    """RFC 6902 itself, on a copy of any JSON document; emptied collects arrays and objects that lost a part."""
    if not isinstance(operations, list):
        raise error("malformed", 'A JSON Patch is an array of operations: [{"op": …, "path": …}].')
    target = _Target(_copy(document), emptied)
    for index, operation in enumerate(operations):
        _Operation(target, operation, index).run()
    return target.document


def _copy(value: Any) -> Any:
    return decode(serialize(value))


class _Target:
    """The document on its way: the whole may be replaced, too."""

    def __init__(self, document: Any, emptied: list[Any]) -> None:
        self.document = document
        self.emptied = emptied
        self.copied = 0


class _Operation:
    """One operation, with what its errors need to say where they are."""

    def __init__(self, target: _Target, operation: Any, index: int) -> None:
        self.target = target
        self.index = index
        self.operation: dict[str, Any] = operation if isinstance(operation, dict) else {}
        self.name = self.operation.get("op")
        if not isinstance(operation, dict):
            raise self.malformed("is no object")

    def run(self) -> None:
        """Changes the target."""
        action = _ACTIONS.get(self.name) if isinstance(self.name, str) else None
        if action is None:
            raise self.malformed(f"needs an op of {', '.join(_ACTIONS)}")
        action(self)

    def add(self) -> None:
        self.put(self.pointer("path"), _copy(self.value()))

    def remove(self) -> None:
        self.take(self.pointer("path"))

    def replace(self) -> None:
        steps, value = self.pointer("path"), _copy(self.value())
        if not steps:
            self.target.document = value
            return
        self.get(steps)
        parent = self.get(steps[:-1])
        parent[int(steps[-1]) if isinstance(parent, list) else steps[-1]] = value

    def move(self) -> None:
        source, destination = self.pointer("from"), self.pointer("path")
        if destination[: len(source)] == source and len(destination) > len(source):
            raise self.unprocessable(f"can't move {_text(source)} into itself")
        self.put(destination, self.take(source) if source else self.target.document)

    def copy(self) -> None:
        source = serialize(self.get(self.pointer("from")))
        self.target.copied += len(source)
        if self.target.copied > MOST_COPIED:
            raise error("too-costly", f"{self.place()}: what is copied comes to more than {MOST_COPIED} bytes.")
        self.put(self.pointer("path"), decode(source))

    def test(self) -> None:
        steps, expected = self.pointer("path"), self.value()
        found = self.get(steps)
        if not _same(found, expected):
            raise self.unprocessable(f"the value at {_text(steps)} is another: {_shortened(found)}")

    def get(self, steps: list[str]) -> Any:
        """The value at a pointer, which must be there."""
        node = self.target.document
        for depth, step in enumerate(steps):
            if isinstance(node, dict) and step in node:
                node = node[step]
            elif isinstance(node, list) and _INDEX.match(step) and int(step) < len(node):
                node = node[int(step)]
            else:
                raise self.nothing_at(steps[: depth + 1], node)
        return node

    def put(self, steps: list[str], value: Any) -> None:
        """Adds a value: into an object, or before an index of an array."""
        if not steps:
            self.target.document = value
            return
        parent, last = self.get(steps[:-1]), steps[-1]
        if isinstance(parent, dict):
            parent[last] = value
        elif isinstance(parent, list) and last == "-":
            parent.append(value)
        elif isinstance(parent, list) and _INDEX.match(last) and int(last) <= len(parent):
            parent.insert(int(last), value)
        else:
            raise self.nothing_at(steps, parent)

    def take(self, steps: list[str]) -> Any:
        """Removes the value at a pointer and gives it."""
        if not steps:
            raise self.unprocessable("the whole resource can't be removed; delete it instead")
        value, parent = self.get(steps), self.get(steps[:-1])
        del parent[int(steps[-1]) if isinstance(parent, list) else steps[-1]]
        self.target.emptied.append(parent)
        return value

    def value(self) -> Any:
        """The member value, which may be null but must be there."""
        if "value" not in self.operation:
            raise self.malformed("needs a value")
        return self.operation["value"]

    def pointer(self, member: str) -> list[str]:
        """The steps of a JSON Pointer."""
        text = self.operation.get(member)
        if not isinstance(text, str):
            raise self.malformed(f"needs a {member}, a JSON Pointer such as /name/0/family")
        if (text and text[0] != "/") or _BAD_ESCAPE.search(text):
            raise self.malformed(
                f"has a {member} that is no JSON Pointer: {text[:200]!r}; write /name/0/family, ~0 for ~, ~1 for /"
            )
        return [step.replace("~1", "/").replace("~0", "~") for step in text.split("/")[1:]]

    def nothing_at(self, steps: list[str], parent: Any) -> FhirError:
        """The error for a pointer that leads to nothing."""
        if isinstance(parent, list):
            return self.unprocessable(f"there is nothing at {_text(steps)}: the array has {len(parent)} elements")
        return self.unprocessable(f"there is nothing at {_text(steps)}")

    def unprocessable(self, problem: str) -> FhirError:
        """The error where the patch is one, but can't be applied."""
        return error("unprocessable", f"{self.place()}: {problem}. Nothing was changed.", location=f"[{self.index}]")

    def malformed(self, problem: str) -> FhirError:
        """The error where the document is no JSON Patch."""
        return error("malformed", f"{self.place()} {problem}.", location=f"[{self.index}]")

    def place(self) -> str:
        """Which operation it is, counted from 0."""
        path = self.operation.get("path")
        what = f" ({self.name} {path[:200]})" if isinstance(self.name, str) and isinstance(path, str) else ""
        return f"Operation {self.index}{what} of the JSON Patch"


_ACTIONS: dict[str, Callable[[_Operation], None]] = {
    "add": _Operation.add,
    "remove": _Operation.remove,
    "replace": _Operation.replace,
    "move": _Operation.move,
    "copy": _Operation.copy,
    "test": _Operation.test,
}


def _text(steps: list[str]) -> str:
    return "".join("/" + step.replace("~", "~0").replace("/", "~1") for step in steps)[:200] or "the root"


def _shortened(value: Any) -> str:
    text = serialize(value).decode()
    return text if len(text) <= 80 else text[:80] + "…"


def _same(left: Any, right: Any) -> bool:
    """Equality of JSON values: numbers by value, never a boolean with a number."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(left[name], right[name]) for name in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, Decimal)) and isinstance(right, (int, Decimal)):
        return left == right
    return type(left) is type(right) and left == right
