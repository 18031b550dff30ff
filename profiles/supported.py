"""Which profiles there are for each resource type: what a CapabilityStatement says is supported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fhir_server.definitions import Definitions


def profiles_by_type(structures: Iterable[dict[str, Any]], definitions: Definitions) -> dict[str, list[str]]:
    """Resource type -> the URLs of the StructureDefinitions that constrain it, in order."""
    found: dict[str, set[str]] = {}
    for structure in structures:
        type = structure.get("type")
        if structure.get("derivation") == "constraint" and isinstance(type, str) and definitions.is_resource(type):
            found.setdefault(type, set()).add(structure["url"])
    return {type: sorted(urls) for type, urls in found.items()}
