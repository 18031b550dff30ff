"""A Subscription as it is worked with: what of the resource can be wrong is refused here, element by element.

https://hl7.org/fhir/R4/subscription.html
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from fhir_server.codec.formats import Format, negotiate
from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError
from fhir_server.definitions import Definitions
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import refuse_invalid
from fhir_server.search.dates import date_range
from fhir_server.security.outgoing.urls import RefusedUrlError, absolute
from fhir_server.subscriptions.backport import TOGETHER, told_by_topic, topic_of
from fhir_server.subscriptions.criteria import Search, refused, search_of
from fhir_server.subscriptions.topics import Topic, Topics

REST_HOOK, WEBSOCKET = "rest-hook", "websocket"
CHANNELS = (REST_HOOK, WEBSOCKET)
ANOTHERS = frozenset({"id", "meta", "status", "error", "text"})  # what the server writes, and what says nothing
MOST_HEADERS, LONGEST_HEADERS = 20, 4096

HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([\x20-\x7e]*)\Z")  # RFC 9110 section 5
OWN_HEADERS = frozenset({
    "connection", "content-encoding", "content-length", "content-type", "expect", "host", "http2-settings",
    "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip


Header = tuple[str, str]  # name and value


class Subscription(NamedTuple):
    """One that can be served. criteria: searches, each a type and name and value pairs; end: microseconds since 1970,
    0 for never; format: of what is sent, None where nothing is; payload: its MIME type as it was asked for.

    topic: None for one as it stands in R4; then criteria are its only search, else its filters. content: empty,
    id-only or full-resource; heartbeat, timeout: seconds, 0 where nothing is said; max_count: events.
    """

    status: str
    criteria: tuple[Search, ...]
    channel: str
    endpoint: str = ""
    format: Format | None = None
    payload: str = ""
    headers: tuple[Header, ...] = ()
    end: int = 0
    topic: Topic | None = None
    content: str = ""
    heartbeat: int = 0
    timeout: int = 0
    max_count: int = TOGETHER


def subscription_of(resource: dict[str, Any], definitions: Definitions, topics: Topics) -> Subscription:
    """What a Subscription asks for; FhirError "unprocessable" that says what to change."""
    channel = resource.get("channel", {})
    kind = channel.get("type", "")
    if kind not in CHANNELS:
        raise refused("channel.type", f"This server has no channel {kind!r}; use {' or '.join(CHANNELS)}.")
    payload = channel.get("payload", "")
    topic = topic_of(resource, topics)
    found = Subscription(
        status_of(resource),
        (search_of(resource.get("criteria", ""), definitions),) if topic is None else (),
        kind,
        _endpoint(channel.get("endpoint", "")) if kind == REST_HOOK else "",
        _format(payload) if payload else None,
        payload,
        _headers(channel.get("header", [])),
        _end(resource.get("end", "")),
    )
    return found if topic is None else found._replace(**told_by_topic(resource, topic, definitions))


def status_of(resource: dict[str, Any]) -> str:
    """Its status, "" where it has none that is a text: a server that validates nothing stores such."""
    status = resource.get("status")
    return status if isinstance(status, str) else ""


def is_served(resource: dict[str, Any]) -> bool:
    """Whether it is told of events."""
    return status_of(resource) in ("requested", "active")


def require_valid(environment: Environment, resource: dict[str, Any]) -> None:
    """FhirError for what is no Subscription of R4, which a server that validates nothing stores: it can't be read."""
    if environment.settings.validation == "none":
        refuse_invalid(environment.checker.validate(resource))


def is_followed(resource: dict[str, Any]) -> bool:
    """Whether its events are noted: also while it is in error, so that it misses none."""
    return is_served(resource) or status_of(resource) == "error"


def content_of(resource: dict[str, Any]) -> str:
    """A digest of all that a client says in it: it stays the same where the server notes how it fares."""
    said = {name: resource[name] for name in sorted(resource.keys() - ANOTHERS)}
    return hashlib.sha256(serialize(said)).hexdigest()


def host_of(endpoint: str) -> str:
    """The host of an endpoint that was found good."""
    return urlsplit(endpoint).hostname or ""


def _endpoint(text: str) -> str:
    if not text:
        raise refused("channel.endpoint", "A rest-hook needs an endpoint, an http or https URL.")
    try:
        absolute(text)
    except RefusedUrlError as problem:
        more = "; send them by channel.header, such as 'Authorization: Bearer …'" if "password" in str(problem) else ""
        raise refused("channel.endpoint", f"The endpoint {problem}{more}.") from None
    return text


def _format(payload: str) -> Format:
    try:
        return negotiate(payload, None, ("json", "xml"))
    except FhirError:
        raise refused("channel.payload", f"{payload[:80]!r} can't be sent: the payload is application/fhir+json or "
                       "application/fhir+xml, of FHIR 4.0, or is left out.") from None  # fmt: skip


def require_few(headers: Sequence[Header]) -> None:
    """FhirError for more headers, as they are sent, than are sent."""
    if len(headers) > MOST_HEADERS or sum(len(name) + len(value) for name, value in headers) > LONGEST_HEADERS:
        raise refused("channel.header", f"At most {MOST_HEADERS} headers of {LONGEST_HEADERS} characters in all are "
                      "sent.")  # fmt: skip


def _headers(listed: list[str]) -> tuple[Header, ...]:
    found = []
    for number, text in enumerate(listed):
        match = HEADER.match(text)
        if match is None:
            raise refused(f"channel.header[{number}]", "A header is 'Name: value' in one line of ASCII.")
        if match[1].lower() in OWN_HEADERS:
            raise refused(f"channel.header[{number}]", f"The header {match[1]} is the server's own; leave it out.")
        found.append((match[1], match[2].strip()))
    return tuple(found)


def _end(text: str) -> int:
    found = date_range(text) if text else None
    return found[0] if found is not None else 0
