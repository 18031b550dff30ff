"""What is sent for a document: batch and transaction Bundles that can be sent again without storing anything twice.

A resource goes by PUT under its id. One without an id gets an id made of its content, so that the same content comes
to the same place; within one Bundle the same content twice makes two. Entries of a transaction or batch that say POST
become PUT under the id that their urn:uuid fullUrl gives, else under the resource's own; ifNoneExist, conditional URLs
and every other request stay as they are, being repeatable by themselves or not meant to be. docs/how-to/loading.md
says it for users.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import IO, Any, NamedTuple

from fhir_server.codec import json, xml
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import ID_PATTERN
from fhir_server.definitions import Definitions
from fhir_server.loading.sources import UNREADABLE, Document, Refusal

LARGEST = 512 * 2**20  # bytes of one document in memory
RESOURCES = 100  # in one batch
BATCH_BYTES = 8 * 2**20  # of NDJSON lines in one batch, about
CONTENT = uuid.UUID("6f1dbd1e-9f0b-5d0e-8a3f-0d9a3a6b6c11")  # the namespace of ids that are made of content
URN = "urn:uuid:"
ANSWERS = ("batch-response", "transaction-response")


class Unit(NamedTuple):
    """One Bundle to send; names: where each of its entries is from."""

    name: str
    bundle: dict[str, Any]
    names: Sequence[str]


def units(document: Document, definitions: Definitions) -> Iterator[Unit | Refusal]:
    """The units of a document; a Refusal for it, or for a line of it, that can't be read."""
    if document.kind == "ndjson":
        yield from _lines(document.name, document.stream)
        return
    try:
        data = document.stream.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise ValueError(f"It has more than {LARGEST // 2**20} MiB; give it as NDJSON.")
        resource = xml.parse(data, definitions) if document.kind == "xml" else json.parse(data)
        found = list(_resource(document.name, resource))
    except UNREADABLE as problem:
        yield Refusal(document.name, f"It can't be read: {problem}.")
    except (FhirError, ValueError) as problem:
        yield Refusal(document.name, str(problem))
    else:
        yield from found


def _lines(name: str, stream: IO[bytes]) -> Iterator[Unit | Refusal]:
    entries: list[dict[str, Any]] = []
    names: list[str] = []
    size = number = 0
    broken: Exception | None = None
    while broken is None:
        number += 1
        try:
            line = stream.readline(LARGEST)
        except UNREADABLE as problem:
            broken, line = problem, b""
        if line.strip():
            place = f"{name}:{number}"
            try:
                resource = json.parse(line)
                if _is_container(resource):
                    yield from list(_resource(place, resource))
                else:
                    entries.append(_put(resource))
                    names.append(place)
                    size += len(line)
            except (FhirError, ValueError) as problem:
                yield Refusal(place, str(problem))
        if entries and (len(entries) == RESOURCES or size > BATCH_BYTES or not line):
            yield Unit(name, _bundle("batch", entries), names)
            entries, names, size = [], [], 0
        if not line:
            break
    if broken is not None:
        yield Refusal(f"{name}:{number}", f"It can't be read further: {broken}.")


def _is_container(resource: dict[str, Any]) -> bool:
    """Whether a Bundle stands for what is in it; documents and messages are stored as they are."""
    return resource.get("resourceType") == "Bundle" and resource.get("type") not in ("document", "message")


def _resource(name: str, resource: dict[str, Any]) -> Iterator[Unit]:
    """The units of a resource or Bundle; ValueError where it is neither."""
    if not _is_container(resource):
        yield Unit(name, _bundle("batch", [_put(resource)]), [name])
        return
    type = resource.get("type")
    if type in ANSWERS:
        raise ValueError(f"A Bundle of type {type} is an answer; there is nothing in it to load.")
    entries = resource.get("entry", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError("Bundle.entry must be an array of objects.")
    seen: Counter[str] = Counter()
    if type in ("transaction", "batch"):
        yield _unit(name, type, [_repeatable(entry, seen) for entry in entries])
        return
    if type == "history":
        made = _newest(entries)
    else:
        made = [_put(entry["resource"], entry.get("fullUrl"), seen) for entry in entries if _is_content(entry)]
    if any(entry.get("fullUrl", "").startswith(URN) for entry in made):
        yield _unit(name, "transaction", made)
    else:
        for start in range(0, len(made), RESOURCES):
            yield _unit(name, "batch", made[start : start + RESOURCES], start)


def _unit(name: str, type: str, entries: list[dict[str, Any]], start: int = 0) -> Unit:
    return Unit(name, _bundle(type, entries), [f"{name} entry {n}" for n in range(start, start + len(entries))])


def _is_content(entry: dict[str, Any]) -> bool:
    search = entry.get("search")
    return "resource" in entry and not (isinstance(search, dict) and search.get("mode") == "outcome")


def _bundle(type: str, entries: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type, "entry": entries}


def _put(resource: Any, full_url: Any = None, seen: Counter[str] | None = None) -> dict[str, Any]:
    """The entry that stores a resource under its id; seen: ids made of content so far, where twice makes two."""
    type = resource.get("resourceType") if isinstance(resource, dict) else None
    if not isinstance(type, str) or not type:
        raise ValueError("It is no FHIR resource: it has no resourceType.")
    id = resource.get("id")
    if not isinstance(id, str):
        id = _urn_id(full_url) or _content_id(resource, seen)
        resource = {"resourceType": type, "id": id, **{k: v for k, v in resource.items() if k != "resourceType"}}
    entry: dict[str, Any] = {"resource": resource, "request": {"method": "PUT", "url": f"{type}/{id}"}}
    if isinstance(full_url, str):
        entry["fullUrl"] = full_url
    return entry


def _content_id(resource: dict[str, Any], seen: Counter[str] | None) -> str:
    content = json.serialize(resource).hex()
    id = str(uuid.uuid5(CONTENT, content))
    if seen is None:
        return id
    seen[id] += 1
    return id if seen[id] == 1 else str(uuid.uuid5(CONTENT, f"{content}/{seen[id]}"))


def _repeatable(entry: dict[str, Any], seen: Counter[str]) -> dict[str, Any]:
    """A transaction's or batch's entry, POST turned into PUT where that keeps what it means."""
    request, resource = entry.get("request"), entry.get("resource")
    if not isinstance(request, dict) or not isinstance(resource, dict):
        return entry
    if (
        request.get("method") != "POST"
        or "ifNoneExist" in request
        or request.get("url") != resource.get("resourceType")
    ):
        return entry
    id = _urn_id(entry.get("fullUrl"))
    made = _put({**resource, "id": id} if id else resource, entry.get("fullUrl"), seen)
    return {**entry, **made, "request": {**request, **made["request"]}}


def _urn_id(full_url: Any) -> str:
    if isinstance(full_url, str) and full_url.startswith(URN) and ID_PATTERN.match(full_url[len(URN) :]):
        return full_url[len(URN) :]
    return ""


def _newest(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a history Bundle, newest first, leaves of each resource."""
    made: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if _is_content(entry):
            put = _put(entry["resource"])
            made.setdefault(put["request"]["url"], put)
        elif isinstance(entry.get("request"), dict) and isinstance(entry["request"].get("url"), str):
            made.setdefault(entry["request"]["url"], {"request": {"method": "DELETE", "url": entry["request"]["url"]}})
        else:
            raise ValueError("An entry of a history Bundle needs a resource, or a request that deleted it.")
    return list(made.values())
