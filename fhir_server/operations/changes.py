"""$changes: the change feed for what runs alone, by cursor, with a long poll.

GET [base]/$changes?after=POSITION&_count=1000&_type=Patient,Encounter&wait=30&resources=true answers with what was
committed past a position, oldest first: {"changes": [{"position", "type", "id", "version", "method", "updated",
"resource"}], "position": P, "head": H}. Go on with after=P. Where nothing is new, it waits up to `wait` seconds.
resource is what is stored now, missing where the resource is gone; method is POST, PUT, PATCH, DELETE or ERASE.
"""

from __future__ import annotations

import asyncio
import time

from fhir_server.codec.json import serialize
from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion, instant
from fhir_server.core.ports import Change
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call, OperationHandler
from fhir_server.interactions.request import Response

MOST, DEFAULT = 5000, 1000
LONGEST_WAIT = 60
LOOK = 0.2  # seconds between looks at the feed while a caller waits


async def changes(environment: Environment, call: Call) -> Response:
    """The changes past a position; FhirError "forbidden" for a caller who may not see everything."""
    if environment.seen_by.restriction is not None:
        raise error("forbidden", "The change feed tells of every resource: it needs a scope for everything.")
    parameters = call.parameters
    after = parameters.whole("after", 0)
    count = min(parameters.whole("_count", DEFAULT), MOST)
    if count < 1:
        raise error("value", "_count must be 1 or more.", location="_count")
    types = frozenset(parameters.texts("_type"))
    for type in types:
        if not environment.definitions.is_resource(type):
            raise error("value", f"_type names '{type[:80]}', which is no resource type.", location="_type")
    until = time.monotonic() + min(parameters.whole("wait", 0), LONGEST_WAIT)
    while True:
        read = await environment.feed.changes(after, count)
        found = [change for change in read if change.method != "REINDEX" and (not types or change.type in types)]
        after = read[-1].seq if read else after
        if found or (not read and time.monotonic() >= until):
            break
        if not read:
            await asyncio.sleep(LOOK)
    versions: dict[tuple[str, str], StoredVersion | None] = {}
    if found and parameters.flag("resources"):
        keys = list({(change.type, change.id) for change in found})
        versions = dict(zip(keys, await environment.store.read_many(keys), strict=True))
    listed = b",".join(_entry(change, versions.get((change.type, change.id))) for change in found)
    head = await environment.feed.head()
    body = b'{"changes":[%b],"position":%d,"head":%d}' % (listed, after, head)
    return Response(200, body=body, content_type="application/json")


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
        "changes", changes, system=True, parameters=("after", "_count", "_type", "wait", "resources"), methods=("GET",)
    ),
)
