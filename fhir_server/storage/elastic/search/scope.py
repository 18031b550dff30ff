"""One search under way: what it asks of the index, in pages or all of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from fhir_server.core.query import Clause
from fhir_server.storage.elastic.asking import Asking
from fhir_server.storage.elastic.search.clauses import NOTHING, Filter, Place, all_of, compile, one_of
from fhir_server.storage.elastic.search.found import Documents, Found, Key, documents
from fhir_server.storage.elastic.search.units import Units
from fhir_server.storage.elastic.search.walk import types_of

BATCH = 10_000  # documents, or different terms, of one request

Body = dict[str, Any]


class Scope:
    """Asks for documents and terms, however many there are. has_field: whether a type has a field at all."""

    def __init__(
        self, asking: Asking, units: Units, has_field: Callable[[str, str], bool] = lambda type, field: True
    ) -> None:
        self._asking = asking
        self._place = Place("", units)
        self.has_field = has_field

    def filter(self, types: Collection[str], clause: Clause) -> Filter:
        """The filter of the current resources of these types for which a clause without links holds.

        A compartment's clause says itself of which types they are; to ask for all of them beside would make
        Elasticsearch go through every resource of the many types that there are.
        """
        told = types_of(clause)
        also = [] if told is not None and told.issubset(types) else [one_of("type", types)]
        return all_of([*also, compile(clause, self._place)])

    async def request(
        self, filter: Filter, sort: Sequence[Any], size: int, *properties: str, **more: Any
    ) -> dict[str, Any]:
        """The answer with at most size documents in this order; more: of the request."""
        return await self._asking.search(_body(filter, sort, size, properties, more))

    async def all(self, filter: Filter, *properties: str, limit: int | None = None) -> list[Found]:
        """Every document, or the first so many, in order of their first versions."""
        return (await self.each([Documents(filter, properties, limit)]))[0]

    async def each(self, asked: Sequence[Documents]) -> list[list[Found]]:
        """The same for several, by one request where none of them has more than a batch."""
        wanted = [at for at, each in enumerate(asked) if each.filter != NOTHING]
        found: list[list[Found]] = [[] for _ in asked]
        after: dict[int, Body] = {}
        while wanted:
            limits = {at: asked[at].limit for at in wanted}
            sizes = {at: BATCH if most is None else min(BATCH, most - len(found[at])) for at, most in limits.items()}
            bodies = [
                _body(asked[at].filter, [{"first": "asc"}], sizes[at], asked[at].properties, after.get(at, {}))
                for at in wanted
            ]
            for at, answer in zip(list(wanted), await self._asking.several(bodies), strict=True):
                batch = documents(answer)
                found[at] += batch
                if len(batch) < sizes[at] or len(found[at]) == limits[at]:
                    wanted.remove(at)
                else:
                    after[at] = {"search_after": batch[-1].sort[:1]}
        return found

    async def with_keys(self, keys: Iterable[Key], *properties: str, also: Filter | None = None) -> list[Found]:
        """The documents of these resources, of those for which a filter holds."""
        return await self.all(self.named(keys, also), *properties)

    @staticmethod
    def named(keys: Iterable[Key], also: Filter | None = None) -> Filter:
        """The filter of these resources, of those for which another holds."""
        named = one_of("_id", [f"{type}/{id}" for type, id in keys])
        return named if also is None else all_of([named, also])

    async def terms(self, filter: Filter, starts: Sequence[tuple[str, str]]) -> list[list[str]]:
        """For each (property, beginning) the different terms that begin so, among all that documents have in it."""
        found: list[list[str]] = [[] for _ in starts]
        after = {at: start for at, (_, start) in enumerate(starts)}
        while after and filter != NOTHING:
            body = {
                "query": {"bool": {"filter": [filter]}},
                "size": 0,
                "track_total_hits": False,
                "aggs": {str(at): _terms(*starts[at], start) for at, start in after.items()},
            }
            answer = (await self._asking.search(body))["aggregations"]
            for at in list(after):
                buckets = answer[str(at)]["buckets"]
                mine = [term for bucket in buckets if (term := bucket["key"]["term"]).startswith(starts[at][1])]
                found[at] += mine
                if len(mine) < BATCH:
                    del after[at]
                else:
                    after[at] = mine[-1]
        return found

    async def count(self, filter: Filter) -> int:
        """How many documents there are, exactly."""
        body = {"query": {"bool": {"filter": [filter]}}, "size": 0, "track_total_hits": True}
        return (await self._asking.search(body))["hits"]["total"]["value"]


def _body(filter: Filter, sort: Sequence[Any], size: int, properties: Iterable[str], more: Body) -> Body:
    return {
        "query": {"bool": {"filter": [filter]}},
        "sort": list(sort),
        "size": size,
        "stored_fields": "_none_",
        "docvalue_fields": ["type", "id", "version", *properties],
        "track_total_hits": False,
        **more,
    }


def _terms(property: str, start: str, after: str) -> Body:
    """The terms after one; composite, as it has no limit and keeps their order."""
    return {
        "composite": {"size": BATCH, "sources": [{"term": {"terms": {"field": property}}}], "after": {"term": after}}
    }
