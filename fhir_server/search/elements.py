"""The FHIR types that a plain path leads to, looked up in the definitions."""

from __future__ import annotations

import re

from fhir_server.definitions import Definitions, TypeReference

_STEP = re.compile(r"(?:as\(([\w.]+)\)|([A-Za-z]\w*))(?:\.|\Z)")


def types_at(definitions: Definitions, start: str, path: str) -> tuple[TypeReference, ...]:
    """The types of `path` from a type, as `value.as(Quantity)` from Observation; () where it is no plain path."""
    types: tuple[TypeReference, ...] = (TypeReference(start),)
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return ()
        position = match.end()
        cast, name = match[1], match[2]
        if cast:
            types = tuple(found for found in types if found.code == cast)
        else:
            types = tuple(
                reference
                for found in types
                for element in (definitions.types[found.code].elements if found.code in definitions.types else ())
                if element.name == name
                for reference in element.types
            )
    return types
