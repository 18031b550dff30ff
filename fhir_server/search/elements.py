"""The elements that a plain path leads to, looked up in the definitions."""

from __future__ import annotations

import re

from fhir_server.definitions import Definitions, Element, TypeReference

_STEP = re.compile(r"(?:as\(([\w.]+)\)|([A-Za-z]\w*))(?:\.|\Z)")
_WHERE = re.compile(r"\.where\([^()]*\)")


def elements_at(definitions: Definitions, start: str, path: str) -> list[tuple[Element, tuple[TypeReference, ...]]]:
    """What `value.as(Quantity)` from Observation may be: elements, each with those of its types that the path leaves.

    where(…) is passed over; [] for any other path that is not plain.
    """
    path = _WHERE.sub("", path)
    types: tuple[TypeReference, ...] = (TypeReference(start),)
    found: list[tuple[Element, tuple[TypeReference, ...]]] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return []
        position = match.end()
        cast, name = match[1], match[2]
        if cast:
            found = [(element, tuple(t for t in left if t.code == cast)) for element, left in found]
        else:
            codes = dict.fromkeys(reference.code for reference in types)
            found = [
                (element, element.types)
                for code in codes
                if code in definitions.types
                for element in definitions.types[code].elements
                if element.name == name
            ]
        types = tuple(reference for _, left in found for reference in left)
    return found


def types_at(definitions: Definitions, start: str, path: str) -> set[str]:
    """The codes of the types that a path leads to; empty where it is not plain."""
    return {reference.code for _, left in elements_at(definitions, start, path) for reference in left}
