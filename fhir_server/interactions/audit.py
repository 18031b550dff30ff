"""The audit log as AuditEvent resources: read, search, and $verify-audit.

A search takes every parameter of AuditEvent that the values of one event can tell; the newest come first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import islice
from typing import Any

from msgspec.structs import replace

from fhir_server.codec import bundles
from fhir_server.codec.json import serialize
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import All, Clause, DateIs, Query, RefersTo
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.required import require
from fhir_server.search.holding import Version, holds
from fhir_server.search.selflink import self_link
from fhir_server.security.audit.chain import require_head
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.resource import PLACE, PREFIX, as_resource

LOOKED_AT = 20_000  # events for one page: a search that finds fewer goes on with the next page


async def search_audit(
    environment: Environment, request: Request, compartment: tuple[str, str] | None = None
) -> Response:
    """A searchset of AuditEvents, those that the caller may see; compartment: (type, id) of whose they are to be."""
    asked = await environment.searching.query("AuditEvent", request, compartment)
    if not _is_newest_first(asked) or asked.includes or asked.summary or asked.elements:
        raise error("unsupported-parameter", "AuditEvents are newest first and whole: leave out _sort (but -date), "
                    "_include, _summary and _elements.")  # fmt: skip
    if asked.only_count or not asked.count or ("_total", "accurate") in asked.used:
        raise error("unsupported-parameter", "AuditEvents are found page by page and not counted before: leave out "
                    "_summary=count, _count=0 and _total=accurate, and follow the next links.")  # fmt: skip
    if request.caller.masks:
        request.caller.masks.require_open(asked)
    limit = _limit(request)
    found, following = await asyncio.to_thread(_page, environment, asked.where, limit, asked.cursor, asked.count)
    found = [_masked(request, version) for version in found]
    url = "/".join([request.base, *(compartment or ()), "AuditEvent"])
    links = [bundles.Link("self", self_link(url, asked))]
    if following:
        links.append(bundles.Link("next", self_link(url, asked, following)))
    return Response(200, body=bundles.searchset(request.base, found, [], total=None, links=links))


def _is_newest_first(asked: Query) -> bool:
    """Whether the order that is asked for is the one that the log has."""
    return all(key.descending and key.kind in ("date", "updated") for key in asked.sort)


def _limit(request: Request) -> Clause | None:
    """What holds for the events that the caller may see; None for all."""
    restriction = request.caller.restriction
    return restriction("AuditEvent") if restriction is not None else None


def _page(
    environment: Environment, asked: Clause, limit: Clause | None, after: str, count: int
) -> tuple[list[StoredVersion], str]:
    """Those of one page behind a place in the log, and the place behind which the next one begins, "" for none."""
    log = environment.audit
    where = asked if limit is None else All((asked, limit))
    found: list[StoredVersion] = []
    looked = 0
    for place, event in islice(log.page(after, _subject(where), _since(where)), LOOKED_AT):
        version = _version(environment, place, event, asked, limit)
        if version is not None:
            if len(found) == count:
                return found, after
            found.append(version)
        looked, after = looked + 1, place
    return found, after if looked == LOOKED_AT else ""


def _version(
    environment: Environment, place: str, event: Event, asked: Clause, limit: Clause | None
) -> StoredVersion | None:
    """The event as a stored resource, as far as the limit holds for it, where what is asked for does then."""
    if limit is not None:
        if holds(limit, _searched(environment, place, event)) is False:
            return None
        event = _narrowed(environment, place, event, limit)
    answer = holds(asked if limit is None else All((asked, limit)), _searched(environment, place, event))
    if answer is None:
        raise error("unsupported-parameter", "The audit log can't be searched by this; it can by patient, agent, date, "
                    "action, outcome, type, subtype, entity and more of an event's own elements.")  # fmt: skip
    if not answer:
        return None
    resource = as_resource(place, event, environment.settings.server_name)
    return StoredVersion("AuditEvent", resource["id"], 1, 0, event.recorded, "POST", serialize(resource))


def _searched(environment: Environment, place: str, event: Event) -> Version:
    resource = as_resource(place, event, environment.settings.server_name)
    return Version("AuditEvent", resource["id"], environment.searching.extract(resource))


def _narrowed(environment: Environment, place: str, event: Event, limit: Clause) -> Event:
    """The event as whoever sees it for some of its patients may: without the others, and without criteria and
    versions, which may name them."""
    event, whole = replace(event, written=()), event
    if holds(limit, _searched(environment, place, replace(event, patients=()))) is True:
        return whole

    def visible(patients: tuple[str, ...]) -> tuple[str, ...]:
        if holds(limit, _searched(environment, place, replace(event, patients=patients))) is False:
            return ()
        half = len(patients) // 2
        return visible(patients[:half]) + visible(patients[half:]) if half else patients

    return replace(event, patients=visible(event.patients), query="")


def _parts(where: Clause) -> Iterator[Clause]:
    if isinstance(where, All):
        for inner in where.clauses:
            yield from _parts(inner)
    else:
        yield where


def _subject(where: Clause) -> str:
    """The patient that an event must be about, where there is one: the log finds those quickly."""
    for clause in _parts(where):
        if isinstance(clause, RefersTo) and len(clause.targets) == 1 and clause.targets[0][0] == "Patient":
            return f"patient:{clause.targets[0][1]}"
    return ""


def _since(where: Clause) -> int:
    """The moment before which no event can match."""
    moments = [c.low for c in _parts(where) if isinstance(c, DateIs) and c.comparator in ("eq", "ge", "gt", "sa")]
    return max(moments, default=0)


def _masked(request: Request, version: StoredVersion) -> StoredVersion:
    return request.caller.masks.shown(version) if request.caller.masks else version


async def read_audit(environment: Environment, request: Request, id: str) -> StoredVersion | None:
    """An event of the log by its id; None for an id that is not the log's. FhirError "not-found"."""
    place = id.removeprefix(PREFIX)
    if not id.startswith(PREFIX) or not PLACE.match(place):
        return None
    event = await asyncio.to_thread(environment.audit.at, place)
    version = _version(environment, place, event, All(()), _limit(request)) if event else None
    if version is None:
        raise error("not-found", f"There is no AuditEvent/{id} here.")
    return _masked(request, version)


async def verify_audit(environment: Environment, call: Any) -> Response:
    """$verify-audit: whether the log is as it was written; head: one that an earlier call gave, which must be in it."""
    caller = call.request.caller
    require(caller, "r", "AuditEvent")
    if environment.audit is None:
        raise error("not-supported", "This server keeps no audit log; set audit = on.")
    if caller.restriction is not None and caller.restriction("AuditEvent") is not None:
        raise error("forbidden", "Only a caller who may read every AuditEvent can verify the log.")
    head = require_head(str(call.parameters.one("head", "")))
    verdict = await asyncio.to_thread(environment.audit.verify, head)
    body = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "result", "valueBoolean": not verdict.problem},
            {"name": "events", "valueInteger": verdict.events},
            {"name": "head", "valueString": verdict.head},
            *([{"name": "problem", "valueString": verdict.problem}] if verdict.problem else []),
        ],
    }
    return Response(200, body=serialize(body))
