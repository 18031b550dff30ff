"""Where an element stands in a document: the lines of a JSON or XML resource by FHIRPath.

Used for messages only, so it takes documents as they are: what can't be found is where the nearest thing around it is.
"""

from __future__ import annotations

import re
from xml.parsers import expat

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],:"]+')
_STEP = re.compile(r"([A-Za-z_]\w*)(?:\[(\d+)\])?")


class Place:
    """An element: its line, from 1, and its children by name, those of one name in order."""

    __slots__ = ("children", "line")

    def __init__(self, line: int) -> None:
        self.line = line
        self.children: dict[str, list[Place]] = {}

    def find(self, expression: str) -> Place:
        """The element that an expression such as Patient.name[0].given[1] leads to, or the nearest around it.

        An element of several types stands there without its type: Observation.value is valueQuantity.
        """
        found = self
        _, _, path = expression.partition(".")
        for step in path.split(".") if path else ():
            match = _STEP.match(step)
            candidates = found._named(match[1]) if match else []
            position = int(match[2] or 0) if match else 0
            if position >= len(candidates):
                break
            found = candidates[position]
        return found

    def _named(self, name: str) -> list[Place]:
        for key in (name, f"_{name}"):
            if key in self.children:
                return self.children[key]
        for key, found in self.children.items():
            if key.startswith(name) and key[len(name) : len(name) + 1].isupper():
                return found
        return []


def json_places(data: bytes, first_line: int = 1) -> Place:
    """The places of the elements of a JSON document that has been parsed without an error."""
    root = Place(first_line)
    line, seen = first_line, 0
    open_ones: list[tuple[bool, Place]] = []  # (whether an array, the object or the place of the array's name)
    items: list[list[Place]] = []  # where the values of each open array go
    name = b""
    key_of: Place | None = None
    for token in _TOKEN.finditer(data):
        text = token[0]
        line += data.count(b"\n", seen, token.start())
        seen = token.start()
        if text in (b"}", b"]"):
            open_ones.pop()
            items.pop()
        elif text == b",":
            continue
        elif open_ones and not open_ones[-1][0] and key_of is None and text[:1] == b'"':
            name, key_of = text[1:-1], Place(line)
        else:
            if not open_ones:
                place = root
                place.line = line
            elif open_ones[-1][0]:
                place = Place(line)
                items[-1].append(place)
            else:
                assert key_of is not None
                place = key_of
                of_name = open_ones[-1][1].children.setdefault(name.decode("utf-8", "replace"), [])
                if text != b"[":
                    of_name.append(place)
                key_of = None
            if text == b"{":
                open_ones.append((False, place))
                items.append([])
            elif text == b"[":
                outside = open_ones[-1][1] if open_ones else root
                open_ones.append((True, place))
                items.append(outside.children.setdefault(name.decode("utf-8", "replace"), []))
    return root


def xml_places(data: bytes) -> Place:
    """The places of the elements of an XML document that has been parsed without an error."""
    root = Place(1)
    stack: list[Place] = []
    parser = expat.ParserCreate("utf-8", " ")

    def start(name: str, _attributes: dict[str, str]) -> None:
        local = name.rpartition(" ")[2]
        if not stack:
            root.line = parser.CurrentLineNumber
            stack.append(root)
        elif local[0].isupper():  # the resource in an element that holds one
            stack.append(stack[-1])
        else:
            place = Place(parser.CurrentLineNumber)
            stack[-1].children.setdefault(local, []).append(place)
            stack.append(place)

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda _name: stack.pop()
    parser.Parse(data, True)
    return root
