"""What R4 says of Bundles in words: identities of entries, and references that must find their target inside.

https://hl7.org/fhir/R4/bundle.html#bundle-unique, https://hl7.org/fhir/R4/bundle.html#references,
https://hl7.org/fhir/R4/documents.html#content and https://hl7.org/fhir/R4/messaging.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterator
from typing import Any

from fhir_server.core.uris import FORMS, UUID
from fhir_server.definitions import Definitions
from profiles.structure.problems import Problem, Problems, enough, problem, shown, under

FULL_URL_NEEDED = {"document": "error", "message": "error", "collection": "warning"}
LOCAL_URNS = ("document", "message", "collection")
ROOTS = {
    "document": ("Composition", ""),
    "message": ("MessageHeader", "focus"),
}  # type -> (first resource, its element)

_REFERENCE = frozenset({"reference", "type", "identifier", "display", "id", "extension", "_reference", "_display"})
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S").match
_RESTFUL = re.compile(r"(?P<base>https?://.+/)(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9.-]{1,64})").fullmatch


def bundle_check(definitions: Definitions) -> Callable[[Problems | None, dict[str, Any]], Problems | None]:
    """A function (problems found so far, Bundle) -> these with those of its identities and references."""

    def check(found: Problems | None, bundle: dict[str, Any]) -> Problems | None:
        entries = bundle.get("entry")
        kind = bundle.get("type")
        if not isinstance(entries, list) or not isinstance(kind, str):
            return found
        for position, entry in enumerate(entries):
            if not isinstance(entry, dict) or enough(found):
                continue
            for each in (*_identity(entry, kind, definitions), *_outcome(entry)):
                found = under(found, f".entry[{position}]", [each])
        if kind in LOCAL_URNS and not any(each.severity == "error" for each in found or ()):
            found = _references(found, entries, kind)
        return found

    return check


def _outcome(entry: dict[str, Any]) -> Iterator[Problem]:
    """What tells of the search itself is an OperationOutcome (https://hl7.org/fhir/R4/valueset-search-entry-mode.html)."""
    search, resource = entry.get("search"), entry.get("resource")
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    if isinstance(search, dict) and search.get("mode") == "outcome" and name not in (None, "OperationOutcome"):
        text = f"the mode outcome is that of an OperationOutcome, not of a {name}: say match or include"
        yield Problem("bundle-search-mode", "value", text, ".search.mode")


def _identity(entry: dict[str, Any], kind: str, definitions: Definitions) -> Iterator[Problem]:
    url = entry.get("fullUrl")
    resource = entry.get("resource")
    if not isinstance(resource, dict):
        return
    if not isinstance(url, str):
        if "_fullUrl" not in entry and "fullUrl" not in entry and kind in FULL_URL_NEEDED:
            text = f"each resource of a {kind} Bundle needs a fullUrl: its absolute URL, or a urn:uuid"
            yield Problem("bundle-full-url", "required", text, ".fullUrl", FULL_URL_NEEDED[kind])
        return
    if not url:
        return
    if not _ABSOLUTE(url):
        text = f"{shown(url)} is not absolute: write a URL with its base, such as http://example.org/fhir/{url}"
        yield Problem("bundle-full-url", "value", text, ".fullUrl")
    elif url.startswith(UUID) and not FORMS[UUID](url):
        yield Problem("bundle-full-url", "value", f"{shown(url)} is not a UUID", ".fullUrl")
    request = entry.get("request")
    created = isinstance(request, dict) and request.get("method") == "POST"
    match = _RESTFUL(url)
    if match and definitions.is_resource(match["type"]) and not created:
        named = f"{match['type']}/{match['id']}"
        own = f"{resource.get('resourceType')}/{resource['id']}" if "id" in resource else "one without an id"
        if named != own and ("id" in resource or request is None):  # a conditional update finds the id
            text = f"the fullUrl names {named}, but the resource is {own}: they must agree"
            yield Problem("bundle-full-url", "value", text, ".fullUrl")


def _references(found: Problems | None, entries: list[Any], kind: str) -> Problems | None:
    urls: dict[str, set[Any]] = {}  # each with the versions that are there
    for entry in entries:
        if "fullUrl" in entry:
            urls.setdefault(entry["fullUrl"], set()).add(entry.get("resource", {}).get("meta", {}).get("versionId"))
    root_type, element = ROOTS.get(kind, ("", ""))
    if not root_type and not has_lost_urn(entries, urls):
        return found
    own = {f"{e['resource'].get('resourceType')}/{e['resource'].get('id')}" for e in entries if "resource" in e}
    told = False
    for position, entry in enumerate(entries):
        resource = entry.get("resource")
        if resource is None:
            continue
        match = _RESTFUL(entry.get("fullUrl", ""))
        base = match["base"] if match else ""
        must = position == 0 and resource.get("resourceType") == root_type
        for path, text in local_references(resource):
            needed = text.startswith("urn:") or (must and path.startswith("." + element))
            target, _, version = text.partition("/_history/")
            there = urls.get(target) or urls.get(base + target)
            if needed and version and there and None not in there and version not in there:
                said = f"the version {shown(version)} of {shown(target)} is not in this {kind}"
                more = problem("bundle-reference", "not-found", said, path + ".reference")
                found = under(found, f".entry[{position}].resource", more)
            elif needed and target not in urls and base + target not in urls:
                if not base and target in own:
                    if not told:
                        told = True
                        found = under(found, f".entry[{position}].resource", [_only_by_id(text, path)])
                    continue
                more = problem("bundle-reference", "not-found", _unresolved(text, kind, base), path + ".reference")
                found = under(found, f".entry[{position}].resource", more)
    return found


def _only_by_id(text: str, path: str) -> Problem:
    hint = f"{shown(text)} and others like it fit an entry's type and id, but the fullUrls here have no base to them"
    said = f"{hint}: refer to the fullUrl (urn:uuid:…)"
    return Problem("bundle-reference", "not-found", said, path + ".reference", "warning")


def _unresolved(text: str, kind: str, base: str) -> str:
    wanted = text if _ABSOLUTE(text) else (base or "[base]/") + text
    return f"no entry of this {kind} has the fullUrl {shown(wanted)}: add the resource, or correct the reference"


def _is_reference(value: dict[str, Any]) -> bool:
    text = value.get("reference")
    return isinstance(text, str) and not text.startswith("#") and value.keys() <= _REFERENCE


def has_lost_urn(entries: list[Any], urls: Container[str]) -> bool:
    """Whether a reference anywhere in the entries is a urn: that is no entry's fullUrl."""
    waiting: list[Any] = [entries]
    while waiting:
        value = waiting.pop()
        if type(value) is dict:
            text = value.get("reference")
            if type(text) is str and text.startswith("urn:") and text not in urls and _is_reference(value):
                return True
            value = value.values()
        for item in value:
            kind = type(item)
            if kind is dict or kind is list:
                waiting.append(item)
    return False


def local_references(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """(path of the Reference, its text) of all in a resource, but for those to contained resources."""
    if isinstance(value, dict):
        if _is_reference(value):
            yield path, value["reference"]
        for key, item in value.items():
            if isinstance(item, (dict, list)):
                yield from local_references(item, f"{path}.{key}")
    elif isinstance(value, list):
        for position, item in enumerate(value):
            yield from local_references(item, f"{path}[{position}]")
