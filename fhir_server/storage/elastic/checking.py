"""Is the index what the store says? Every difference by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

from fhir_server.core.ports import Change, ChangeFeed, Finding, ResourceReads
from fhir_server.storage.changes.entries import Entry
from fhir_server.storage.changes.reading import Reading
from fhir_server.storage.elastic.asking import Asking, patient
from fhir_server.storage.elastic.digests import Parameters, differ
from fhir_server.storage.elastic.failures import told
from fhir_server.storage.elastic.generations import Generation, Generations
from fhir_server.storage.elastic.mapping import UNIT_TYPE
from fhir_server.storage.elastic.search.clauses import negation, one_of
from fhir_server.storage.elastic.search.found import Found
from fhir_server.storage.elastic.search.scope import Scope
from fhir_server.storage.elastic.search.units import Units
from fhir_server.storage.elastic.writing import Writer

PAGE = 500  # resources compared at once
PROPERTIES = ("digest", "problem", "seq")

Key = tuple[str, str]


class IndexCheck:
    """Compares the generation that serves with the store, both ways, beside live traffic.

    What differs is looked at again once the index has had time to follow, so that a write under way is no finding.
    """

    def __init__(
        self,
        generations: Generations,
        feed: ChangeFeed,
        reads: ResourceReads,
        reading: Reading,
        parameters: Parameters,
        writer_of: Callable[[Generation], Writer],
        caught_up: Callable[[str], Awaitable[None]],
    ) -> None:
        self._generations = generations
        self._feed = feed
        self._reads = reads
        self._reading = reading
        self._parameters = parameters
        self._writer_of = writer_of
        self._caught_up = caught_up

    async def run(self, repair: bool = False) -> list[Finding]:
        """Everything that is not as it should be; with repair the documents are made anew."""
        return await told(lambda: self._run(repair))

    async def _run(self, repair: bool) -> list[Finding]:
        generation = await self._generations.serving()
        if generation is None:
            return [Finding("the search index", "there is none that searches could ask; hms reindex makes one", False)]
        writer = self._writer_of(generation)
        scope = Scope(Asking(patient(self._generations.client), generation.name), Units())
        await self._caught_up(generation.consumer)
        suspects: dict[Key, str] = {}
        async for keys in self._stored():
            suspects.update(await self._differing(keys, scope, writer))
        suspects.update(await self._left_over(scope))
        if not suspects:
            return []
        await self._caught_up(generation.consumer)
        found = await self._differing(list(suspects), scope, writer)
        if repair and found:
            head = await self._feed.head()
            await writer.write([await self._entry(key, head) for key in found], "external_gte")
            await self._generations.show(generation.consumer)
            left = await self._differing(list(found), scope, writer)
        else:
            left = found
        return [
            Finding(f"{type}/{id}", problem, repair and (type, id) not in left) for (type, id), problem in found.items()
        ]

    async def _stored(self) -> AsyncIterator[list[Key]]:
        """Every resource that the store has, by the feed: where its newest version stands there."""
        position = 0
        while True:
            changes = await self._feed.changes(position, PAGE)
            if not changes:
                return
            position = changes[-1].seq
            yield list(dict.fromkeys((change.type, change.id) for change in changes))

    async def _differing(self, keys: list[Key], scope: Scope, writer: Writer) -> dict[Key, str]:
        indexed = {found.key: found for found in await scope.with_keys(keys, *PROPERTIES)}
        problems: dict[Key, str] = {}
        for key in keys:
            problem = self._difference(await self._entry(key), indexed.get(key), writer)
            if problem:
                problems[key] = problem
        return problems

    async def _entry(self, key: Key, change: int = 0) -> Entry:
        """What the store says, as of this position or later: the feed's head wins over all but what comes after."""
        return await self._reading.entry(Change(change, *key, 0, "REINDEX", 0), await self._reads.read(*key))

    def _difference(self, entry: Entry, indexed: Found | None, writer: Writer) -> str:
        if entry.values is None:
            return "" if indexed is None else "it is in the search index but is deleted or was never stored"
        if indexed is None:
            return "it is not in the search index"
        if indexed.version != entry.version:
            return f"version {entry.version} is stored, version {indexed.version} is in the search index"
        if "problem" in indexed.properties:
            return f"it is found by its id only: {indexed.properties['problem'][0]}"
        document, _ = writer.document(entry)
        if differ(entry.type, indexed.properties.get("digest", ()), document["digest"], self._parameters):
            return "its values in the search index are not those of its content"
        return ""

    async def _left_over(self, scope: Scope) -> dict[Key, str]:
        """Documents of resources that the store has never had or has erased."""
        found: dict[Key, str] = {}
        documents = await scope.all(negation(one_of("type", [UNIT_TYPE])))
        for at in range(0, len(documents), PAGE):
            some = [document.key for document in documents[at : at + PAGE]]
            for key, version in zip(some, await self._reads.read_many(some), strict=True):
                if version is None or version.deleted:
                    found[key] = "it is in the search index but is deleted or was never stored"
        return found
