"""A page of a query."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ResourceReads
from fhir_server.core.query import EVERYTHING, NOTHING, Page, Query
from fhir_server.storage import cursors
from fhir_server.storage.cursors import LAST_PAGE
from fhir_server.storage.elastic.search.found import BUSINESS_VERSION, Found, Matches, documents
from fhir_server.storage.elastic.search.includes import included
from fhir_server.storage.elastic.search.links import resolve
from fhir_server.storage.elastic.search.order import Order
from fhir_server.storage.elastic.search.scope import Scope

MOST = 9_999  # matches of one page: Elasticsearch gives 10,000 at once, of which one tells whether there are more


async def page(query: Query, scope: Scope, reads: ResourceReads) -> Page:
    """The page that the query's cursor asks for."""
    where = await resolve(query.where, query.types, scope)
    filter = scope.filter(query.types, where)
    if query.only_count or query.count <= 0:
        return Page([], [], total=await scope.count(filter))
    count = min(query.count, MOST)
    kinds = Order(query.sort, False).kinds
    cursor = cursors.read(query.cursor, kinds)
    order = Order(query.sort, cursor.backward)
    counted = query.total != "none" or where in (EVERYTHING, NOTHING)
    edges = ("reference", "uri", BUSINESS_VERSION) if query.includes else ()
    answer = await scope.request(
        filter, order.sort(), count + 1, *edges, track_total_hits=counted, **order.after(cursor.position)
    )
    found = documents(answer)
    more = len(found) > count
    found = found[:count]
    if cursor.backward:
        found.reverse()
    alone = not more and cursor.place == cursors.FIRST
    ends = [order.position(each.sort) for each in (found[:1] + found[-1:])]
    matches = await settled(found, reads)
    elsewhere = filter if query.matches_once and not alone else None
    return Page(
        matches.versions,
        await included(query, scope, reads, found, matches, elsewhere) if query.includes and found else [],
        *cursors.neighbours(cursor, more, ends),
        last="" if alone else LAST_PAGE,
        total=len(found) if alone else answer["hits"]["total"]["value"] if counted else None,
    )


async def settled(found: Sequence[Found], reads: ResourceReads) -> Matches:
    """The versions that were found: what has been updated since is given as it matched, what has gone is left out."""
    versions: list[StoredVersion] = []
    keys = [each.key for each in found]
    newest = await reads.read_many(keys) if keys else []
    for each, version in zip(found, newest, strict=True):
        if version is None or version.deleted:
            continue
        if version.version != each.version:
            version = await reads.read_version(each.type, each.id, each.version)
            if version is None or version.deleted:
                continue
        versions.append(version)
    return Matches(versions, dict(zip(keys, newest, strict=True)))
