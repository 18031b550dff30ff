"""Notifications as Bundles of the Subscriptions R5 Backport, and the Parameters that say how a Subscription fares.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription-notification-r4.html
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from fhir_server.codec import xml
from fhir_server.codec.json import decode, serialize
from fhir_server.core.keys import StoredVersion, instant
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request
from fhir_server.subscriptions.backport import DEFINITION, EMPTY, FULL
from fhir_server.subscriptions.channels.channel import Turn
from fhir_server.subscriptions.criteria import TYPE
from fhir_server.subscriptions.matching import seen_of
from fhir_server.subscriptions.store.port import Event, State
from fhir_server.subscriptions.subscription import status_of
from fhir_server.subscriptions.topics import ANY, Topic, type_of

HANDSHAKE, HEARTBEAT, EVENT, QUERY_STATUS, QUERY_EVENT = (
    "handshake", "heartbeat", "event-notification", "query-status", "query-event",
)  # fmt: skip
ERRORS = "http://terminology.hl7.org/CodeSystem/subscription-error"
STATUSES = {"POST": "201", "DELETE": "204"}

Resource = dict[str, Any]


class Told(NamedTuple):
    """An event with what is told of it: the version and what goes with it, as far as whoever is told may see them."""

    event: Event
    version: StoredVersion | None = None
    with_it: Sequence[StoredVersion] = ()


class Notification(NamedTuple):
    """A Bundle, and the versions that it tells something of."""

    bundle: Resource
    shown: Sequence[StoredVersion]


async def told_of(environment: Environment, topic: Topic | None, content: str, events: Sequence[Event]) -> list[Told]:
    """What may be told of events at this content level; nothing but that they happened of what may not be seen now."""
    if content == EMPTY:
        return [Told(event) for event in events]
    found = []
    for event in events:
        version = await seen_of(environment, event)
        with_it: list[StoredVersion] = []
        if version is not None and topic is not None:
            with_it = await _with(environment, topic, version)
        found.append(Told(event, version, with_it))
    return found


async def visible_of(environment: Environment, state: State) -> State:
    """The state as it is told to somebody who may see less than the maker: only of events of what they may see.

    Its number is that of the last one of these, so that it counts nothing that is kept from them since.
    """
    events = [event for event in state.events if await seen_of(environment, event) is not None]
    return msgspec.structs.replace(state, events=events, number=events[-1].number if events else 0)


async def _with(environment: Environment, topic: Topic, version: StoredVersion) -> list[StoredVersion]:
    """What the topic has sent along with a resource."""
    pairs = [("_id", version.id)]
    for shape in topic.notification_shape:
        if type_of(shape.resource) in (version.type, ANY):
            pairs += [("_include", each) for each in shape.include]
            pairs += [("_revinclude", each) for each in shape.rev_include]
    if len(pairs) == 1:
        return []
    request = Request("GET", (version.type,), pairs, caller=environment.seen_by)
    page = await environment.index.search(await environment.searching.query(version.type, request))
    return list(page.included)


def notification(turn: Turn, kind: str, now: int, told: Sequence[Told] = (), content: str = "") -> Notification:
    """The Bundle of a handshake, a heartbeat, or events; content: where it is not what the Subscription says."""
    content = content or turn.asked.content or EMPTY
    entries: list[Resource] = []
    shown: dict[tuple[str, int], StoredVersion] = {}
    for each in told if content != EMPTY else ():
        if each.version is None:
            continue
        for version, method in ((each.version, each.event.method), *((one, "GET") for one in each.with_it)):
            entries.append(_entry(turn.base, version, method, content))
            shown[version.id, version.seq] = version
    id = str(uuid.uuid4())
    first = {
        "fullUrl": f"urn:uuid:{id}",
        "resource": {**status(turn, kind, told, content), "id": id},
        "request": {"method": "GET", "url": f"{turn.base}/{TYPE}/{turn.version.id}/$status"},
        "response": {"status": "200"},
    }
    bundle = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"profile": [f"{DEFINITION}backport-subscription-notification-r4"]},
        "type": "history",
        "timestamp": instant(now),
        "entry": [first, *entries],
    }
    return Notification(bundle, list(shown.values()))


def status(turn: Turn, kind: str, told: Sequence[Told] = (), content: str = "") -> Resource:
    """The Parameters of the profile backport-subscription-status-r4."""
    asked, state = turn.asked, turn.state
    content = content or asked.content or EMPTY
    resource = decode(turn.version.body)
    parameters: list[Resource] = [
        {"name": "subscription", "valueReference": {"reference": f"{turn.base}/{TYPE}/{turn.version.id}"}},
    ]
    if asked.topic is not None and (content != EMPTY or kind in (QUERY_STATUS, QUERY_EVENT)):
        parameters.append({"name": "topic", "valueCanonical": asked.topic.url})
    parameters += [
        {"name": "status", "valueCode": status_of(resource)},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(state.number)},
    ]
    parameters += [{"name": "notification-event", "part": _parts(turn.base, each, content)} for each in told]
    problem = resource.get("error") or state.problem
    if problem and kind in (QUERY_STATUS, QUERY_EVENT):
        coding = {"system": ERRORS, "code": "no-response"}
        parameters.append({"name": "error", "valueCodeableConcept": {"coding": [coding], "text": problem}})
    return {
        "resourceType": "Parameters",
        "meta": {"profile": [f"{DEFINITION}backport-subscription-status-r4"]},
        "parameter": parameters,
    }


def _parts(base: str, told: Told, content: str) -> list[Resource]:
    parts: list[Resource] = [
        {"name": "event-number", "valueString": str(told.event.number)},
        {"name": "timestamp", "valueInstant": instant(told.event.moment)},
    ]
    if content != EMPTY and told.version is not None:
        focus = f"{base}/{told.event.type}/{told.event.id}"
        parts.append({"name": "focus", "valueReference": {"reference": focus}})
        for each in told.with_it:
            reference = {"reference": f"{base}/{each.type}/{each.id}"}
            parts.append({"name": "additional-context", "valueReference": reference})
    return parts


def _entry(base: str, version: StoredVersion, method: str, content: str) -> Resource:
    place = f"{version.type}/{version.id}"
    asked = {"method": "PUT" if method == "PATCH" else method, "url": version.type if method == "POST" else place}
    entry: Resource = {"fullUrl": f"{base}/{place}"}
    if content == FULL and method != "DELETE":
        entry["resource"] = decode(version.body)
    return {**entry, "request": asked, "response": {"status": STATUSES.get(method, "200")}}


def written(environment: Environment, turn: Turn, bundle: Resource) -> bytes:
    """A Bundle in the format that the Subscription asks for."""
    if turn.asked.format is not None and turn.asked.format.name == "xml":
        return xml.serialize(bundle, environment.definitions)
    return serialize(bundle)
