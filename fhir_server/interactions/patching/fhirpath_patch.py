"""FHIRPath Patch: https://hl7.org/fhir/R4/fhirpatch.html. Each operation is a parameter of a Parameters resource."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from fhir_server.codec.json import decode, serialize
from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions
from fhir_server.fhirpath import FhirPathError, compile_path
from fhir_server.interactions.patching.emptied import without_emptied
from fhir_server.interactions.patching.patch_values import Given, given_value, place_for
from fhir_server.interactions.patching.places import Place, inside, locate, read, write

MOST_SECONDS = 2.0  # for all operations of a patch, as a commit waits for them

# The parts that each type of operation has, all of them mandatory.
_PARTS = {
    "add": ("path", "name", "value"),
    "insert": ("path", "index", "value"),
    "delete": ("path",),
    "replace": ("path", "value"),
    "move": ("path", "source", "destination"),
}
_LAST_STEP = re.compile(r"(?:(.+)\.)?([A-Za-z]\w*)\Z", re.DOTALL)


def apply(
    resource: dict[str, Any], document: dict[str, Any], definitions: Definitions, seconds: float = MOST_SECONDS
) -> dict[str, Any]:
    """The patched copy; document: a Parameters resource. No operations change nothing.

    FhirError malformed where the document is no FHIRPath Patch, unprocessable where an operation can't be applied,
    too-costly where a path is left to follow after so many seconds; nothing changes then.
    """
    target: dict[str, Any] = decode(serialize(resource))
    emptied: list[Any] = []
    deadline = time.monotonic() + seconds
    parameters = document.get("parameter", [])
    if document.get("resourceType") != "Parameters" or not isinstance(parameters, list):
        raise error("malformed", "A FHIRPath Patch is a Parameters resource with a parameter named operation for each.")
    for index, parameter in enumerate(parameters):
        if time.monotonic() >= deadline:
            raise error(
                "too-costly", f"The paths of the patch take longer than {seconds} s; send fewer, or plainer ones."
            )
        _Operation(target, parameter, index, definitions, emptied).run()
    return without_emptied(target, emptied)


class _Operation:
    """One operation, with what its errors need to say where they are."""

    def __init__(
        self, target: dict[str, Any], parameter: Any, index: int, definitions: Definitions, emptied: list[Any]
    ) -> None:
        self.target = target
        self.definitions = definitions
        self.emptied = emptied
        self.index = index
        self.type = self.path = ""
        self.parts = self.checked_parts(parameter)
        self.type = self.string("type")
        if self.type not in _PARTS:
            raise self.malformed(f"needs a type of {', '.join(_PARTS)}")
        expected = ("type", *_PARTS[self.type])
        if missing := [name for name in expected if name not in self.parts]:
            raise self.malformed(f"needs a part {missing[0]}")
        if unknown := [name for name in self.parts if name not in expected]:
            raise self.malformed(f"has a part {unknown[0]}; {self.type} takes {', '.join(expected)}")
        self.path = self.string("path")

    def run(self) -> None:
        """Changes the target."""
        _ACTIONS[self.type](self)

    def add(self) -> None:
        found = self.evaluated(self.path)
        if len(found) != 1:
            raise self.unprocessable(f"the path leads to {len(found) or 'no'} elements; add needs one")
        self.put_into(*self.object_at(found[0]), self.string("name"), -1)

    def insert(self) -> None:
        parent, name, count = self.whole_list()
        index = self.integer("index")
        if not 0 <= index <= count:
            raise self.unprocessable(f"index {index} is past the list's {count} elements")
        self.put_into(*self.object_at(parent), name, index)

    def delete(self) -> None:
        found = self.evaluated(self.path)
        if not found:
            return
        place = self.only_place(found)
        pairs = place.pairs()
        del pairs[max(place.index, 0)]
        write(place.node, place.property, pairs, repeats=place.index >= 0)
        self.emptied.append(place.node)

    def replace(self) -> None:
        found = self.evaluated(self.path)
        if not found:
            raise self.unprocessable("the path leads to no element to replace")
        place = self.only_place(found)
        name = self.definitions.properties(place.owner)[place.property].element.name
        property, element, pair = self.placed(place.owner, name)
        pairs = place.pairs()
        pairs[max(place.index, 0)] = pair
        if property != place.property:
            write(place.node, place.property, [], repeats=False)
        write(place.node, property, pairs, repeats=element.repeats)

    def move(self) -> None:
        parent, name, count = self.whole_list()
        source, destination = self.integer("source"), self.integer("destination")
        for part, index in (("source", source), ("destination", destination)):
            if not 0 <= index < count:
                raise self.unprocessable(f"{part} {index} is past the list's {count} elements")
        node, _ = self.object_at(parent)
        pairs = read(node, name)
        pairs.insert(destination, pairs.pop(source))
        write(node, name, pairs, repeats=True)

    def put_into(self, node: dict[str, Any], owner: str, name: str, index: int) -> None:
        """Adds the value under an element name, at an index or, by -1, at the end."""
        property, element, pair = self.placed(owner, name)
        pairs = read(node, property)
        if not element.repeats:
            same = [p for p, found in self.definitions.properties(owner).items() if found.element.name == element.name]
            if any(read(node, other) for other in same):
                raise self.unprocessable(f"{element.name} is there and does not repeat; replace it")
        pairs.insert(len(pairs) if index < 0 else index, pair)
        write(node, property, pairs, repeats=element.repeats)

    def placed(self, owner: str, name: str) -> tuple[str, Any, Any]:
        """The property, element and JSON for the value of this operation; the JSON is a copy."""
        try:
            property, element, pair = place_for(owner, name, self.given(), self.definitions)
        except ValueError as problem:
            raise self.unprocessable(f"the operation {problem}") from None
        return property, element, tuple(decode(serialize(list(pair))))

    def given(self) -> Given:
        try:
            return given_value(self.parts["value"], self.definitions)
        except ValueError as problem:
            raise self.malformed(f"has a value that {problem}") from None

    def evaluated(self, expression: str) -> list[str]:
        """The paths of the elements that an expression leads to."""
        type_name = self.target["resourceType"]
        try:
            results = compile_path(expression, self.definitions, type_name, strict=True).evaluate(self.target)
        except FhirPathError as problem:
            if problem.kind == "syntax":
                raise self.malformed(f"has a path that is no FHIRPath: {problem.message}") from None
            raise self.unprocessable(f"the path can't be followed: {problem.message}") from None
        paths = [result.path for result in results]
        if not all(paths):
            raise self.unprocessable("the path gives a computed value, not an element")
        return paths

    def only_place(self, paths: list[str]) -> Place:
        """The place of the one element that was found, which may not be the resource itself."""
        if len(paths) > 1:
            raise self.unprocessable(f"the path leads to {len(paths)} elements; {self.type} takes one")
        place = self.located(paths[0])
        if place is None:
            raise self.unprocessable(f"the path leads to the whole resource, which {self.type} can't take")
        return place

    def located(self, path: str) -> Place | None:
        try:
            return locate(self.target, path, self.definitions)
        except (KeyError, TypeError):
            raise self.unprocessable("the path leads outside of the resource") from None

    def object_at(self, path: str) -> tuple[dict[str, Any], str]:
        """The object at a path and its type."""
        place = self.located(path)
        if place is None:
            return self.target, self.target["resourceType"]
        try:
            return inside(place, self.definitions)
        except (KeyError, TypeError):
            raise self.unprocessable("the path leads to what is no element of R4") from None

    def whole_list(self) -> tuple[str, str, int]:
        """The list that the path leads to: the path of its owner, its name, and how many elements it has."""
        last = _LAST_STEP.match(self.path.strip())
        owners = self.evaluated(last[1] or self.target["resourceType"]) if last else []
        if last is None or len(owners) != 1:
            raise self.unprocessable("the path must lead to one list, such as Patient.name")
        node, owner = self.object_at(owners[0])
        found = self.definitions.properties(owner).get(last[2])
        if found is None or not found.element.repeats:
            raise self.unprocessable(f"{owner} has no list {last[2]}")
        return owners[0], last[2], len(read(node, last[2]))

    def checked_parts(self, parameter: Any) -> dict[str, Any]:
        """The parts by name."""
        if not isinstance(parameter, dict) or parameter.get("name") != "operation":
            raise self.malformed("must be a parameter named operation")
        parts = parameter.get("part")
        if not isinstance(parts, list) or not all(isinstance(part, dict) for part in parts):
            raise self.malformed("needs parts: type, path and what the type asks for")
        names = [part.get("name") for part in parts]
        if repeated := [name for name in names if names.count(name) > 1]:
            raise self.malformed(f"has the part {repeated[0]} twice")
        return {str(part.get("name")): part for part in parts}

    def string(self, part: str) -> str:
        return self.simple(part, str, "string")

    def integer(self, part: str) -> int:
        return self.simple(part, int, "integer")

    def simple(self, part: str, kind: type, name: str) -> Any:
        """The value of a part that must be of one JSON type."""
        content = self.parts.get(part, {})
        value = next((value for key, value in content.items() if key.startswith("value")), None)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.malformed(f"needs a part {part} with a value[x] that is a {name}")
        return value

    def unprocessable(self, problem: str) -> FhirError:
        """The error where the patch is one, but can't be applied."""
        return error("unprocessable", f"{self.place()}: {problem}. Nothing was changed.", expression=self.where())

    def malformed(self, problem: str) -> FhirError:
        """The error where the document is no FHIRPath Patch."""
        return error("malformed", f"{self.place()} {problem}.", expression=self.where())

    def place(self) -> str:
        """Which operation it is, counted from 0."""
        what = f" ({self.type} {self.path[:200]})" if self.type and self.path else ""
        return f"Operation {self.index}{what} of the FHIRPath Patch"

    def where(self) -> str:
        return f"Parameters.parameter[{self.index}]"


_ACTIONS: dict[str, Callable[[_Operation], None]] = {
    "add": _Operation.add,
    "insert": _Operation.insert,
    "delete": _Operation.delete,
    "replace": _Operation.replace,
    "move": _Operation.move,
}
