"""`SearchIndex` over Elasticsearch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol, TypeVar

import msgspec

from fhir_server.core.errors import FhirError, Issue, error
from fhir_server.core.ports import ResourceReads, UnitConverter
from fhir_server.core.query import Clause, Page, Query
from fhir_server.storage.elastic.asking import Asking, patient
from fhir_server.storage.elastic.digests import Indexes, always
from fhir_server.storage.elastic.encode import Unit
from fhir_server.storage.elastic.failures import answered, unavailable
from fhir_server.storage.elastic.generations import Generation, Generations
from fhir_server.storage.elastic.mapping import UNIT_TYPE
from fhir_server.storage.elastic.points import Points
from fhir_server.storage.elastic.search.links import resolve
from fhir_server.storage.elastic.search.pages import page
from fhir_server.storage.elastic.search.scope import BATCH, Scope
from fhir_server.storage.elastic.search.units import Units
from fhir_server.storage.elastic.search.walk import has_units, is_linked, reads_content

T = TypeVar("T")

TYPES = 1000  # more than R4 has
BEHIND = Issue(
    "warning",
    "incomplete",
    "The search index is behind the store; what was written in the last moments may be missing here.",
)


class Wait(Protocol):
    """Holds a search back until the index has seen what was committed before the search began."""

    async def __call__(self, consumer: str, seconds: float) -> int | None:
        """The position of that; None where the index has not seen it within so long."""
        ...


class ElasticSearchIndex:
    """Answers queries out of the generation that serves; the store has the resources.

    converter: between units of quantities; has_field: whether a type has a field by the parameters in force; wait:
    seconds that a search waits at most for what was committed before it began; content: whether _content is indexed. A
    search that has waited in vain is answered with a warning, or strict, refused as "unavailable".
    """

    def __init__(
        self,
        generations: Generations,
        reads: ResourceReads,
        caught_up: Wait,
        converter: UnitConverter | None = None,
        *,
        has_field: Indexes = always,
        wait: float = 5.0,
        content: bool = True,
        strict: bool = False,
    ) -> None:
        self._generations = generations
        self._client = patient(generations.client)
        self._points = Points(self._client)
        self._has_field = has_field
        self._reads = reads
        self._caught_up = caught_up
        self._converter = converter
        self._wait = wait
        self._content = content
        self._strict = strict
        self._away = False

    async def search(self, query: Query) -> Page:
        """One page of a query with what it includes. FhirError "unavailable" while Elasticsearch is away."""
        wait = self._wait if query.wait is None or self._strict else min(query.wait, self._wait)
        found, seen = await self._answer(lambda scope: page(query, scope, self._reads), query.where, wait)
        return found if seen is not None or wait == 0 else replace(found, warnings=(BEHIND,))

    async def count(self, types: Sequence[str], where: Clause) -> int:
        """How many current resources of these types the clause holds for, exactly."""

        async def work(scope: Scope) -> int:
            return await scope.count(scope.filter(types, await resolve(where, tuple(types), scope)))

        return (await self._answer(work, where, self._wait))[0]

    async def counts(self) -> dict[str, int]:
        """How many current resources there are of each type that has some, as of now or a moment ago."""

        async def work() -> dict[str, int]:
            body = {"size": 0, "aggs": {"types": {"terms": {"field": "type", "size": TYPES}}}}
            generation = await self._serving()
            answer = await Asking(self._client, generation.name).search(body)
            buckets = answer["aggregations"]["types"]["buckets"]
            found = {bucket["key"]: bucket["doc_count"] for bucket in buckets if bucket["key"] != UNIT_TYPE}
            return dict(sorted(found.items()))

        return await answered(work)

    async def close(self) -> None:
        """Ends what it holds at Elasticsearch; leaves the client to whoever made it."""
        await self._points.close()

    async def _serving(self) -> Generation:
        generation = await self._generations.serving()
        if generation is None:
            raise unavailable("is being built")
        return generation

    async def _seen(self, generation: Generation, wait: float) -> int | None:
        """Up to where the index has seen what was committed; None where not all of it, or nobody waits."""
        if wait == 0 and not self._strict:
            return None
        seen = await self._caught_up(generation.consumer, wait)
        if seen is None and self._strict:
            raise unavailable("is behind the store")
        return seen

    async def _answer(self, work: Callable[[Scope], Awaitable[T]], where: Clause, wait: float) -> tuple[T, int | None]:
        """What work returns, and the position up to which the index had seen all, None where it had not."""

        if not self._content and reads_content(where):
            raise error("not-supported", "This server does not index what _content searches (search_content).")

        async def ask(away: bool = False) -> tuple[T, int | None]:
            """While Elasticsearch is away nobody waits for it."""
            generation = await self._serving()
            seen = 0 if away else await self._seen(generation, wait)
            return await self._ask(work, where, generation, seen or 0), seen

        away = self._away
        try:
            found = await answered(partial(ask, away))
            self._away = False
            return await answered(ask) if away else found  # it has come back, and nobody waited
        except FhirError as problem:
            self._away = problem.category == "unavailable"
            raise

    async def _ask(self, work: Callable[[Scope], Awaitable[T]], where: Clause, generation: Generation, seen: int) -> T:
        """Includes are read from the store as they are now, and units only ever come: one state matters to links."""
        plain = Asking(self._client, generation.name)
        units = Units(await self._units(plain), self._converter) if has_units(where) else Units()
        if not is_linked(where):
            return await work(Scope(plain, units, self._has_field))
        async with self._points.at(generation.name, seen) as point:
            return await work(Scope(Asking(self._client, generation.name, point), units, self._has_field))

    async def _units(self, asking: Asking) -> list[Unit]:
        body = {
            "query": {"term": {"type": UNIT_TYPE}},
            "size": BATCH,
            "stored_fields": "_none_",
            "docvalue_fields": ["id"],
        }
        hits = (await asking.search(body)).get("hits", {}).get("hits", [])
        return [msgspec.json.decode(hit["fields"]["id"][0], type=Unit) for hit in hits]
