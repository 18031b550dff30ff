"""How the values of contained resources are named among those of what contains them.

A Medication in a MedicationRequest puts its values on the request, as fields "#Medication.code" and so on, and its id
as a token of the field "#Medication", which says that there is one. So do the Composition of a document and the
MessageHeader of a message on their Bundle, for `Bundle?composition.type=…` and `Bundle?message.event=…`.
"""

from __future__ import annotations

import functools
from typing import Any

LEADING = {"document": "Composition", "message": "MessageHeader"}  # https://hl7.org/fhir/R4/bundle.html#search


def holds_others(type_name: str, properties: Any) -> bool:
    """Whether a resource of this type, with these elements, may have values of others in it."""
    return type_name == "Bundle" or "contained" in properties


def leading_resource(resource: dict[str, Any]) -> dict[str, Any] | None:
    """The first resource of a Bundle that is a document or a message."""
    kind = resource.get("type")
    if resource.get("resourceType") != "Bundle" or not isinstance(kind, str) or kind not in LEADING:
        return None
    entries = resource.get("entry")
    first = entries[0] if isinstance(entries, list) and entries else None
    found = first.get("resource") if isinstance(first, dict) else None
    return found if isinstance(found, dict) and found.get("resourceType") == LEADING[kind] else None


def presence_field(type_name: str) -> str:
    """The field that has the ids of contained resources of a type."""
    return f"#{type_name}"


@functools.cache
def contained_field(type_name: str, field: str) -> str:
    """The field of the container for a field of contained resources of a type."""
    return f"#{type_name}.{field}"
