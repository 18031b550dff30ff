"""What a reference refers to, by its text alone (https://hl7.org/fhir/R4/references.html)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Json = dict[str, Any]


def contained(identifier: str, root: Json | None) -> Json | None:
    """The resource contained in root that has this id; root itself for ""."""
    if root is None:
        return None
    if not identifier:
        return root
    for resource in root.get("contained", ()):
        if resource.get("id") == identifier:
            return resource
    return None


def type_in_text(reference: str, is_resource: Callable[[str], bool]) -> str:
    """The type in `Patient/1`, `https://host/fhir/Patient/1/_history/2`, `Patient?identifier=x`; "" where none is."""
    parts = reference.partition("?")[0].split("/")
    if "_history" in parts:
        del parts[parts.index("_history") :]
    if len(parts) >= 2 and is_resource(parts[-2]):
        return parts[-2]
    return parts[-1] if "?" in reference and is_resource(parts[-1]) else ""


def target_type(
    reference: Json, root: Json | None, resolve: Callable[[str], Json | None] | None, is_resource: Callable[[str], bool]
) -> str:
    """The type of the resource a Reference refers to: what it resolves to, what its text or its `type` says; or ""."""
    text = reference.get("reference")
    if text:
        if text[0] == "#":
            resource = contained(text[1:], root)
            return resource.get("resourceType", "") if resource else ""
        named = type_in_text(text, is_resource)
        if named:
            return named
        if resolve is not None:
            resource = resolve(text)
            if resource is not None:
                return resource.get("resourceType", "")
    declared = reference.get("type", "")
    return declared.rpartition("/")[2]


def resource_key(resource: Json) -> str:
    """What getResourceKey() gives: Patient/1."""
    return f"{resource.get('resourceType')}/{resource['id']}"


def reference_key(reference: Json, wanted: str, is_resource: Callable[[str], bool]) -> str:
    """What getReferenceKey() gives: the key of what is referred to, without a version.

    "" for a contained resource, a search and no reference at all, and for another type than wanted ("" for any).
    """
    text = reference.get("reference")
    if not isinstance(text, str) or not text or text[0] == "#" or "?" in text:
        return ""
    if wanted and type_in_text(text, is_resource) != wanted:
        return ""
    return text.partition("/_history/")[0]
