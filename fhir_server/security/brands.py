"""The User-access Brand Bundle: how an app shows the organization behind this server.

https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import error

TYPES = ("Organization", "Endpoint")
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
REASONS = ("asked-declined", "asked-unknown")


class Brands(NamedTuple):
    """body: the Bundle as it stands in the file; tag: a weak ETag; primary: identifier of this server's brand."""

    body: bytes
    tag: str
    primary: dict[str, str]


def load(path: str, brand: str) -> Brands:
    """The Bundle of a file; brand: "system|value" of the primary one, "" where there is one only.

    FhirError "value" that says what is wrong.
    """
    try:
        body = Path(path).read_bytes()
        bundle = msgspec.json.decode(body)
    except (OSError, ValueError) as problem:
        raise _wrong(path, f"it can't be read: {problem}") from None
    if not isinstance(bundle, dict) or bundle.get("resourceType") != "Bundle" or bundle.get("type") != "collection":
        raise _wrong(path, "it is no Bundle of the type collection")
    if not bundle.get("timestamp"):
        raise _wrong(path, "Bundle.timestamp is missing, which says when it was changed last")
    entries = bundle.get("entry", [])
    if not all(isinstance(entry, dict) and isinstance(entry.get("resource"), dict) for entry in entries):
        raise _wrong(path, "each entry needs a resource")
    for entry in entries:
        if entry["resource"].get("resourceType") not in TYPES:
            raise _wrong(path, f"only {' and '.join(TYPES)} belong there")
    reasons = [reason for reason in _absences(bundle) if reason not in REASONS]
    if reasons:
        raise _wrong(path, f"a data-absent-reason is {reasons[0]!r}; it can be {' or '.join(REASONS)}")
    primary = _primary(path, [e["resource"] for e in entries if e["resource"]["resourceType"] == "Organization"], brand)
    _require_endpoints_named(path, entries)
    return Brands(body, f'W/"{hashlib.sha256(body).hexdigest()[:16]}"', primary)


def _primary(path: str, organizations: list[dict[str, Any]], brand: str) -> dict[str, str]:
    if not brand:
        if len(organizations) != 1:
            raise _wrong(path, f"it has {len(organizations)} brands: name this server's by the setting brand")
        wanted = next((i for i in organizations[0].get("identifier", []) if i.get("value")), None)
        if wanted is None:
            raise _wrong(path, "its brand has no identifier with a value")
        system, value = wanted.get("system", ""), wanted["value"]
    else:
        system, _, value = brand.rpartition("|")
        if not value:
            raise _wrong(path, f"the setting brand is {brand!r}; it is system|value")
    found = [o for o in organizations if _has(o, system, value)]
    if len(found) != 1:
        raise _wrong(path, f"{len(found)} of its Organizations have the identifier {system}|{value}; one must")
    return {**({"system": system} if system else {}), "value": value}


def _has(organization: dict[str, Any], system: str, value: str) -> bool:
    identifiers = organization.get("identifier", [])
    return any(each.get("value") == value and each.get("system", "") == system for each in identifiers)


def _require_endpoints_named(path: str, entries: list[dict[str, Any]]) -> None:
    """Every Endpoint belongs to a brand."""
    named = {
        endpoint.get("reference", "")
        for entry in entries
        if entry["resource"]["resourceType"] == "Organization"
        for endpoint in entry["resource"].get("endpoint", [])
    }
    for entry in entries:
        resource = entry["resource"]
        if resource["resourceType"] == "Endpoint":
            places = {entry.get("fullUrl", ""), f"Endpoint/{resource.get('id', '')}"}
            if named.isdisjoint(places):
                raise _wrong(path, f"no brand refers to the Endpoint {entry.get('fullUrl') or resource.get('id')}")


def _absences(value: Any) -> Iterator[str]:
    """The codes of all data-absent-reasons."""
    if isinstance(value, dict):
        if value.get("url") == ABSENT:
            yield str(value.get("valueCode", ""))
        for inner in value.values():
            yield from _absences(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _absences(inner)


def _wrong(path: str, why: str) -> Exception:
    return error("value", f"The brands in {path} can't be used: {why}.")
