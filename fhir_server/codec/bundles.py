"""Bundles joined from stored bytes (https://hl7.org/fhir/R4/bundle.html); nothing stored is parsed to be sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from fhir_server.codec.json import serialize
from fhir_server.core.keys import StoredVersion, instant

STATUS_LINES = {"POST": "201 Created", "PUT": "200 OK", "PATCH": "200 OK", "DELETE": "204 No Content"}


class Link(NamedTuple):
    """A link of a Bundle: self, next, previous, first, last."""

    relation: str
    url: str


def _joined(type: str, total: int | None, links: Sequence[Link], entries: Iterable[bytes]) -> bytes:
    parts = [b'{"resourceType":"Bundle","type":"', type.encode(), b'"']
    if total is not None:
        parts.append(b',"total":%d' % total)
    if links:
        parts.append(b',"link":')
        parts.append(serialize([{"relation": link.relation, "url": link.url} for link in links]))
    body = b",".join(entries)
    if body:
        parts += (b',"entry":[', body, b"]")
    parts.append(b"}")
    return b"".join(parts)


def search_entry(base: str, version: StoredVersion, mode: str = "match") -> bytes:
    """An entry of a searchset; mode match | include | outcome."""
    front = f'{{"fullUrl":"{base}/{version.type}/{version.id}","resource":'.encode()
    return b'%b%b,"search":{"mode":"%b"}}' % (front, version.body, mode.encode())


def searchset(
    base: str,
    matches: Iterable[StoredVersion],
    included: Iterable[StoredVersion] = (),
    *,
    total: int | None = None,
    links: Sequence[Link] = (),
    outcome: bytes = b"",
) -> bytes:
    """A searchset Bundle; outcome: an OperationOutcome that tells what was left out, b"" for none."""
    entries = [search_entry(base, version) for version in matches]
    entries += [search_entry(base, version, "include") for version in included]
    if outcome:
        entries.append(b'{"resource":%b,"search":{"mode":"outcome"}}' % outcome)
    return _joined("searchset", total, links, entries)


def history(
    base: str,
    versions: Iterable[StoredVersion],
    *,
    total: int | None = None,
    links: Sequence[Link] = (),
    renewed: Collection[int] = (),
) -> bytes:
    """A history Bundle, newest version first; renewed: of a HistoryPage."""
    entries = [_history_entry(base, version, version.version == 1 or version.seq in renewed) for version in versions]
    return _joined("history", total, links, entries)


def _history_entry(base: str, version: StoredVersion, created: bool) -> bytes:
    reference = f"{version.type}/{version.id}"
    url = version.type if version.method == "POST" else reference
    status = "201 Created" if created else STATUS_LINES[version.method]
    tail = (
        f'"request":{{"method":"{version.method}","url":"{url}"}},"response":{{"status":"{status}",'
        f'"etag":"W/\\"{version.version}\\"","lastModified":"{instant(version.updated)}"}}}}'
    )
    resource = b'"resource":%b,' % version.body if version.body else b""
    return b'{"fullUrl":"%b/%b",%b%b' % (base.encode(), reference.encode(), resource, tail.encode())


class EntryResponse(NamedTuple):
    """What one entry of a batch or transaction came to; resource and outcome as JSON bytes or b""."""

    status: str
    location: str = ""
    etag: str = ""
    updated: int = 0
    full_url: str = ""
    resource: bytes = b""
    outcome: bytes = b""


def responses(type: str, entries: Iterable[EntryResponse]) -> bytes:
    """A batch-response or transaction-response Bundle."""
    return _joined(type, None, (), [_response_entry(entry) for entry in entries])


def _response_entry(entry: EntryResponse) -> bytes:
    response = f'"status":"{entry.status}"'
    if entry.location:
        response += f',"location":"{entry.location}"'
    if entry.etag:
        response += f',"etag":"W/\\"{entry.etag}\\""'
    if entry.updated:
        response += f',"lastModified":"{instant(entry.updated)}"'
    front = f'"fullUrl":"{entry.full_url}",'.encode() if entry.full_url else b""
    resource = b'"resource":%b,' % entry.resource if entry.resource else b""
    outcome = b',"outcome":%b' % entry.outcome if entry.outcome else b""
    return b'{%b%b"response":{%b%b}}' % (front, resource, response.encode(), outcome)


def collection(type: str, base: str, versions: Iterable[StoredVersion]) -> bytes:
    """A Bundle of another type (collection, document) with these resources in order."""
    entries = [
        f'{{"fullUrl":"{base}/{version.type}/{version.id}","resource":'.encode() + version.body + b"}"
        for version in versions
    ]
    return _joined(type, None, (), entries)
