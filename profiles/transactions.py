"""Whether the requests of a batch or transaction can be carried out (https://hl7.org/fhir/R4/http.html#transaction)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from fhir_server.definitions import Definitions
from profiles.conformance.context import Context
from profiles.structure.bundles import has_lost_urn, local_references
from profiles.structure.problems import Problem, Problems, nearest, shown, under

Json = dict[str, Any]

KINDS = ("batch", "transaction")
CHANGING = ("PUT", "PATCH", "DELETE")  # the methods that name the resource they change
WITH_BODY = ("POST", "PUT", "PATCH")
LOCAL = ("urn:uuid:", "urn:oid:")  # references that only the fullUrl of an entry can answer

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:").match


def transaction_problems(bundle: Json, context: Context) -> Problems:
    """What keeps the entries of a batch or transaction from being carried out; [] for other Bundles."""
    entries = bundle.get("entry")
    kind = bundle.get("type")
    if bundle.get("resourceType") != "Bundle" or kind not in KINDS or not isinstance(entries, list):
        return []
    urls = {entry.get("fullUrl") for entry in entries}
    lost = kind == "transaction" and has_lost_urn(entries, urls)  # few have one, and which it is takes longer to tell
    changed: dict[str, int] = {}
    found: Problems = []
    for position, entry in enumerate(entries):
        told = list(_request(entry, context.shared.definitions))
        if kind == "transaction":
            told += _again(entry.get("request", {}), position, changed)
        if lost:
            told += _lost(entry.get("resource"), urls)
        found.extend(under(None, f".entry[{position}]", told) or ())
    return found


def _parts(request: Json) -> tuple[list[str], str]:
    """The segments of a request's path, and its query; none of an absolute URL, whose base is not known."""
    path, _, query = str(request.get("url", "")).partition("?")
    return ([] if _ABSOLUTE(path) else [part for part in path.split("/") if part]), query


def _request(entry: Json, definitions: Definitions) -> Iterator[Problem]:
    request, resource = entry.get("request", {}), entry.get("resource")
    method = request.get("method")
    parts, query = _parts(request)
    if not parts or parts[0][0] in "$_" or parts[0] == "metadata":
        return
    name, own = parts[0], parts[1] if len(parts) > 1 else ""
    if not definitions.is_resource(name):
        text = f"{shown(name)} is no resource type of R4{nearest(name, definitions.resource_types)}"
        yield Problem("transaction-url", "value", text, ".request.url")
        return
    if own[:1] in ("$", "_") or len(parts) > 2 or method not in (*WITH_BODY, "DELETE"):
        return
    if method == "POST" and own:
        text = f"nothing is created at {name}/{shown(own)[1:-1]}: write POST {name}, or PUT for a resource with this id"
        yield Problem("transaction-url", "value", text, ".request.url")
    elif method != "POST" and not own and not query:
        text = f"{method} {name} names no resource: write {name}/id, or {name}? with criteria"
        yield Problem("transaction-url", "value", text, ".request.url")
    elif method in WITH_BODY and resource is None:
        yield Problem("transaction-resource", "required", f"{method} {name} needs a resource", ".resource")
    elif method in ("POST", "PUT") and isinstance(resource, dict):
        yield from _body(resource, name, own if method == "PUT" else "")


def _body(resource: Json, name: str, own: str) -> Iterator[Problem]:
    given = resource.get("resourceType")
    if given != name:
        text = f"the request is for {name}, the resource is {given}: make them the same"
        yield Problem("transaction-url", "value", text, ".request.url")
    elif own and resource.get("id") != own:
        stated = f"the id {shown(str(resource['id']))}" if "id" in resource else "no id"
        text = f"the request is for {name}/{own}, the resource has {stated}: make them the same"
        yield Problem("transaction-url", "value", text, ".resource.id")


def _again(request: Json, position: int, changed: dict[str, int]) -> Iterator[Problem]:
    """That another entry changes the same resource; changed: what the entries before do, by Type/id."""
    parts, query = _parts(request)
    if request.get("method") not in CHANGING or len(parts) != 2 or query:
        return
    identity = "/".join(parts)
    first = changed.setdefault(identity, position)
    if first != position:
        text = f"entry {first} changes {identity} too: a transaction changes a resource once"
        yield Problem("transaction-url", "duplicate", text, ".request.url")


def _lost(resource: Any, urls: set[Any]) -> Iterator[Problem]:
    for path, text in local_references(resource):
        if text.startswith(LOCAL) and text not in urls:
            said = f"no entry has the fullUrl {shown(text)}: add the resource, or correct the reference"
            yield Problem("bundle-reference", "not-found", said, f".resource{path}.reference")
