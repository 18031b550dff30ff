"""$changes: the change feed for what runs alone, by cursor with a long poll, or as server-sent events.

GET [base]/$changes?after=POSITION&_count=1000&_type=Patient,Encounter&wait=30&resources=true answers with what was
committed past a position, oldest first: {"changes": [{"position", "type", "id", "version", "method", "updated",
"resource"}], "position": P, "head": H}. Go on with after=P. Where nothing is new, it waits up to `wait` seconds; where
all that is new is left out by the filters, a second of them, so that the caller's position gets on.
resource is what is stored now, missing where the resource is gone; method is POST, PUT, PATCH, DELETE or ERASE.
_typeFilter=Observation?category=laboratory, which may repeat, leaves of that type what matches it now.
With Accept: text/event-stream each change is an event `change` whose id is its position; take a stream up again with
Last-Event-ID (https://html.spec.whatwg.org/multipage/server-sent-events.html).

A caller who may not see everything gets the changes of what the caller may see now, also where policies or Consents
change while it waits; one whose token ends gets no more. Deletions can't be judged: they are told of types that the
caller sees whole, whatever the filters.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

from fhir_server.codec.json import serialize
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion, instant
from fhir_server.core.ports import Change
from fhir_server.core.query import All, Any, IdIn, Query
from fhir_server.interactions.access.visible import environment_of, keeps_some
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Response
from fhir_server.interactions.required import require
from fhir_server.operations.bulk.asked import search_of, type_filters

MOST, DEFAULT = 5000, 1000
LONGEST_WAIT = 60
LEFT_OUT = 1.0  # seconds that a caller waits on where the feed moves by what the filters leave out
LOOKED_AT = 5.0  # seconds after which it is looked whether a caller who waits may wait on
TOGETHER = 500  # resources that are searched for together
EVENTS = "text/event-stream"
STREAM_SECONDS = 300  # after which a stream ends, so that its caller shows who it is again
QUIET_SECONDS = 15  # after which a stream says that it is there
GONE = ("DELETE", "ERASE")


class Wanted(NamedTuple):
    """What a caller asks of the feed: types, none for all; searches by type; whether with the resources."""

    types: frozenset[str]
    filters: dict[str, tuple[str, ...]]
    resources: bool


class Told(NamedTuple):
    """Changes to tell, each as JSON, with its position; the position after all that was looked at; more: at once.

    shown: the versions that are given, and of other patients those that are told of, without their bodies.
    """

    entries: Sequence[tuple[int, bytes]]
    position: int
    more: bool = False
    shown: Sequence[StoredVersion] = ()


async def changes(environment: Environment, call: Call) -> Response:
    """The changes past a position that the caller may see, or a stream of them."""
    parameters = call.parameters
    after = parameters.whole("after", 0)
    count = min(parameters.whole("_count", DEFAULT), MOST)
    if count < 1:
        raise error("value", "_count must be 1 or more.", location="_count")
    wanted = await _wanted(environment, call)
    if EVENTS in call.request.accept:
        last = call.request.last_event_id
        after = int(last) if last.isascii() and last.isdigit() and len(last) < 19 else after
        return Response(200, content_type=EVENTS, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
                        body=b"retry: 1000\n\n", stream=_events(environment, wanted, after, count))  # fmt: skip
    until = time.monotonic() + min(parameters.whole("wait", 0), LONGEST_WAIT)
    told = await _next(environment, wanted, after, count)
    while not told.entries:
        if told.position != after:
            until = min(until, time.monotonic() + LEFT_OUT)
        left = until - time.monotonic()
        if left <= 0:
            break
        if told.more:
            await asyncio.sleep(0)
        else:
            await environment.watch.past(told.position, min(left, LOOKED_AT))
        environment = await _as_of_now(environment)
        told = await _next(environment, wanted, told.position, count)
    listed = b",".join(entry for _, entry in told.entries)
    head = await environment.feed.head()
    body = b'{"changes":[%b],"position":%d,"head":%d}' % (listed, told.position, head)
    return Response(200, body=body, content_type="application/json", shown=told.shown)


async def _wanted(environment: Environment, call: Call) -> Wanted:
    types = tuple(dict.fromkeys(call.parameters.texts("_type")))
    for type in types:
        if not environment.definitions.is_resource(type):
            raise error("value", f"_type names '{type[:80]}', which is no resource type.", location="_type")
        require(call.request.caller, "s", type)
    filters = await type_filters(environment, call, types or tuple(environment.definitions.resource_types))
    wanted = Wanted(frozenset(types), filters, call.parameters.flag("resources"))
    for type in filters:
        await _matching(environment, wanted, type, ())  # refused now, where what it asks by is hidden
    return wanted


async def _events(environment: Environment, wanted: Wanted, after: int, count: int) -> AsyncIterator[bytes]:
    until = time.monotonic() + STREAM_SECONDS
    spoke = time.monotonic()
    while time.monotonic() < until:
        try:
            environment = await _as_of_now(environment)
            told = await _next(environment, wanted, after, count)
        except FhirError:
            return  # the caller's token has ended, or what is asked by is hidden from the caller by now
        if told.entries:
            yield b"".join(b"id: %d\nevent: change\ndata: %b\n\n" % each for each in told.entries)
            spoke = time.monotonic()
        elif time.monotonic() - spoke >= QUIET_SECONDS:
            yield b": nothing new up to %d\n\n" % told.position
            spoke = time.monotonic()
        after = told.position
        try:
            if told.more:
                await asyncio.sleep(0)
            else:
                await environment.watch.past(after, spoke + QUIET_SECONDS - time.monotonic())
        except FhirError:
            return  # the store is away; its caller comes again


async def _as_of_now(environment: Environment) -> Environment:
    """What the caller may see by now."""
    caller = environment.seen_by
    if caller.access is None or environment.callers is None:
        return environment
    if environment.following is not None:
        await environment.following.before()
    renewed = await environment.callers.renewed(caller)
    return environment if renewed is caller else environment_of(environment.whole or environment, renewed)


async def _next(environment: Environment, wanted: Wanted, after: int, count: int) -> Told:
    read = await environment.feed.changes(after, count)
    if not read:
        return Told((), after)
    found = [
        change for change in read if change.method != "REINDEX" and (not wanted.types or change.type in wanted.types)
    ]
    shown = await _shown(environment, wanted, found)
    versions: dict[tuple[str, str], StoredVersion | None] = {}
    if shown and wanted.resources:
        keys = list({(change.type, change.id) for change in shown})
        versions = dict(zip(keys, await environment.store.read_many(keys), strict=True))
    entries = [(change.seq, _entry(change, versions.get((change.type, change.id)))) for change in shown]
    given = [version for version in versions.values() if version is not None]
    named = {change.id: change for change in shown if change.type == "Patient" and not wanted.resources}
    given += [StoredVersion("Patient", id, each.version, 0, 0, each.method, b"") for id, each in named.items()]
    return Told(entries, read[-1].seq, len(read) == count, given)


async def _shown(environment: Environment, wanted: Wanted, found: Sequence[Change]) -> Sequence[Change]:
    """The changes that the caller may see and whose resources match the filters."""
    kept_from = {type for type in {change.type for change in found} if keeps_some(environment, type)}
    limited = kept_from | wanted.filters.keys()
    if not limited:
        return found
    seen: set[tuple[str, str]] = set()
    for type in limited:
        ids = list(dict.fromkeys(change.id for change in found if change.type == type))
        for at in range(0, len(ids), TOGETHER):
            seen |= {(type, id) for id in await _matching(environment, wanted, type, ids[at : at + TOGETHER])}
    return [
        change
        for change in found
        if change.type not in limited
        or (change.type, change.id) in seen
        or (change.method in GONE and change.type not in kept_from)
    ]


async def _matching(environment: Environment, wanted: Wanted, type: str, ids: Sequence[str]) -> set[str]:
    searching = environment.searching
    where: list[object] = [IdIn(tuple(ids))]
    filters = wanted.filters.get(type, ())
    if filters:
        where.append(Any(tuple([(await searching.query(type, search_of(type, each))).where for each in filters])))
    page = await environment.index.search(Query((type,), All(tuple(where)), count=len(ids)))  # type: ignore[arg-type]
    return {version.id for version in page.matches}


def _entry(change: Change, version: StoredVersion | None) -> bytes:
    entry = serialize(
        {
            "position": change.seq,
            "type": change.type,
            "id": change.id,
            "version": change.version,
            "method": change.method,
            "updated": instant(change.updated),
        }
    )
    return entry[:-1] + b',"resource":%b}' % version.body if version is not None and version.body else entry


HANDLERS = (
    OperationHandler(
        "changes",
        changes,
        system=True,
        parameters=("after", "_count", "_type", "_typeFilter", "wait", "resources"),
        methods=("GET",),
    ),
)
