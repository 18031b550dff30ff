"""The parts of a HumanName and an Address: what a string parameter that names the whole looks into.

Specification: https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

from fhir_server.definitions import Definitions
from fhir_server.search.elements import types_at

PARTS = {
    "HumanName": ("text", "family", "given", "prefix", "suffix"),
    "Address": ("text", "line", "city", "district", "state", "postalCode", "country"),
}


def in_parts(definitions: Definitions, type_name: str, path: str) -> list[str]:
    """The path of each part, where a path from the root leads to whole names or addresses; else the path itself.

    So each part is read and indexed once, whether it is asked for by its own parameter or by that of the whole.
    """
    types = types_at(definitions, type_name, path.partition(".")[2])
    for name, parts in PARTS.items():
        if types == {name}:
            return [f"{path}.{part}" for part in parts]
    return [path]
