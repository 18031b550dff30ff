"""What an interaction is asked and what it answers, free of HTTP's bytes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from fhir_server.core.errors import Issue
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import OPEN, Caller
from fhir_server.interactions.noting import Noting

GRAPHQL = "application/graphql"  # the content type of a query of $graphql


class Request(msgspec.Struct):
    """One interaction that is asked for.

    path: segments below the base URL, decoded; query: decoded name and value pairs in order; resource: the body parsed,
    None where there is none or where it isn't FHIR; body, content_type: as they came; if_match, if_none_match,
    if_none_exist, if_modified_since, if_unmodified_since: the headers' values, "" for none; prefer: "", minimal,
    representation or OperationOutcome; lenient: Prefer handling=lenient; wait: Prefer wait=seconds, None for none;
    respond_async: Prefer respond-async; accept: the header Accept; last_event_id: the header of a stream that is taken
    up again; provenance: the header X-Provenance; head: the entry of a Bundle asks HEAD, a GET without what it gives;
    base: this server's own base URL, without a slash at its end; noting: what the audit log is to have of its
    commits, None for nothing; misread: what keeps the XML of a body from being a resource, where $validate is to tell;
    resource is then what could be read of it.
    """

    method: str
    path: tuple[str, ...]
    query: list[tuple[str, str]] = []
    resource: dict[str, Any] | None = None
    body: bytes = b""
    content_type: str = ""
    if_match: str = ""
    if_none_match: str = ""
    if_none_exist: str = ""
    if_modified_since: str = ""
    if_unmodified_since: str = ""
    prefer: str = ""
    lenient: bool = False
    wait: float | None = None
    respond_async: bool = False
    accept: str = ""
    last_event_id: str = ""
    base: str = ""
    caller: Caller = OPEN
    provenance: str = ""
    head: bool = False
    noting: Noting | None = None
    misread: list[Issue] = []


class Performed(NamedTuple):
    """An entry of a Bundle that read something, or failed: what the audit log has of it beside the Bundle.

    told, about: as of a Response.
    """

    request: Request
    status: int
    told: Sequence[StoredVersion] | None
    about: Sequence[str] = ()


class Response(msgspec.Struct):
    """The answer.

    version: the stored version that it is about, which gives ETag and Last-Modified; body: the resource to send as
    canonical JSON bytes, b"" for none; location: of what was created or updated, relative to the base; issues: said
    beside it (warnings); headers: others; content_type: of a body that is no FHIR resource and is sent as it is;
    stream: gives the body piece by piece, after what is in body; shown: the stored versions that it tells of, where
    they are others than version; performed: entries of a Bundle; instance: the stored resource that an operation was
    called on, where only the body says what is told, or that a Binary belongs to; about: ids of the patients whom a
    search asks for by name, be there something of theirs or not; kept: these bytes are given again and
    again, so that what is made of them is worth keeping.
    """

    status: int
    version: StoredVersion | None = None
    body: bytes = b""
    location: str = ""
    issues: list[Issue] = []
    headers: dict[str, str] = {}
    content_type: str = ""
    stream: AsyncIterator[bytes] | None = None
    shown: Sequence[StoredVersion] | None = None
    performed: Sequence[Performed] = ()
    instance: StoredVersion | None = None
    about: Sequence[str] = ()
    kept: bool = False

    @property
    def told(self) -> Sequence[StoredVersion] | None:
        """All stored versions that it tells of, of what was deleted the last one; None where only its body says."""
        return (self.version,) if self.shown is None and self.version is not None else self.shown


def all_told(responses: Iterable[Response | None]) -> list[StoredVersion] | None:
    """What several answers tell of, None for one that failed; None where that is not known of one."""
    found: list[StoredVersion] = []
    for response in responses:
        told = response.told if response is not None else ()
        if told is None:
            return None
        found += told
    return found
