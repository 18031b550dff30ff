"""One search under way: what it asks of the index, in pages or all of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fhir_server.core.query import Clause
from fhir_server.storage.elastic.asking import Asking
from fhir_server.storage.elastic.search.clauses import Filter, Place, all_of, compile, one_of
from fhir_server.storage.elastic.search.found import Found, Key, documents
from fhir_server.storage.elastic.search.units import Units

BATCH = 10_000  # documents, or different terms, of one request


class Scope:
    """Asks for documents and terms, however many there are."""

    def __init__(self, asking: Asking, units: Units) -> None:
        self._asking = asking
        self._place = Place("", units)

    def filter(self, types: Iterable[str], clause: Clause) -> Filter:
        """The filter of the current resources of these types for which a clause without links holds."""
        return all_of([one_of("type", types), compile(clause, self._place)])

    async def request(
        self, filter: Filter, sort: Sequence[Any], size: int, *properties: str, **more: Any
    ) -> dict[str, Any]:
        """The answer with at most size documents in this order; more: of the request."""
        body = {
            "query": {"bool": {"filter": [filter]}},
            "sort": list(sort),
            "size": size,
            "stored_fields": "_none_",
            "docvalue_fields": ["type", "id", "version", *properties],
            "track_total_hits": False,
            **more,
        }
        return await self._asking.search(body)

    async def all(self, filter: Filter, *properties: str, limit: int | None = None) -> list[Found]:
        """Every document, or the first so many, in order of their first versions."""
        found: list[Found] = []
        more: dict[str, Any] = {}
        while limit is None or len(found) < limit:
            size = BATCH if limit is None else min(BATCH, limit - len(found))
            batch = documents(await self.request(filter, [{"first": "asc"}], size, *properties, **more))
            found += batch
            if len(batch) < size:
                break
            more = {"search_after": batch[-1].sort[:1]}
        return found

    async def with_keys(self, keys: Iterable[Key], *properties: str, also: Filter | None = None) -> list[Found]:
        """The documents of these resources, of those for which a filter holds."""
        named = one_of("_id", [f"{type}/{id}" for type, id in keys])
        return await self.all(named if also is None else all_of([named, also]), *properties)

    async def terms(self, filter: Filter, property: str, start: str) -> list[str]:
        """The different terms that begin so, among all that documents have in a property."""
        found: list[str] = []
        after = start
        while True:
            source = {"term": {"terms": {"field": property}}}
            composite = {"size": BATCH, "sources": [source], "after": {"term": after}}
            body = {
                "query": {"bool": {"filter": [filter]}},
                "size": 0,
                "track_total_hits": False,
                "aggs": {"found": {"composite": composite}},
            }
            buckets = (await self._asking.search(body))["aggregations"]["found"]["buckets"]
            mine = [bucket["key"]["term"] for bucket in buckets if bucket["key"]["term"].startswith(start)]
            found += mine
            if len(mine) < BATCH:
                return found
            after = mine[-1]

    async def count(self, filter: Filter) -> int:
        """How many documents there are, exactly."""
        body = {"query": {"bool": {"filter": [filter]}}, "size": 0, "track_total_hits": True}
        return (await self._asking.search(body))["hits"]["total"]["value"]
