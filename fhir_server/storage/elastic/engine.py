"""All of Elasticsearch in one process: the index that is searched, what feeds it, checks it and builds it anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from elastic_transport import TransportError
from elasticsearch import ApiError, AsyncElasticsearch

from fhir_server.core.ports import ChangeFeed, Clock, Finding, IndexState, UnitConverter
from fhir_server.core.tasks import end
from fhir_server.storage.changes.calls import Calls
from fhir_server.storage.changes.feeders import Feeders, Single
from fhir_server.storage.changes.lag import lag
from fhir_server.storage.changes.parts import positions_of
from fhir_server.storage.changes.projector import LEASE, Prepare
from fhir_server.storage.changes.reading import Extract, Reading, VersionReads
from fhir_server.storage.changes.waiting import Waiting
from fhir_server.storage.elastic.asking import Asking
from fhir_server.storage.elastic.checking import IndexCheck
from fhir_server.storage.elastic.digests import Parameters
from fhir_server.storage.elastic.failures import advice, told
from fhir_server.storage.elastic.generations import Generation, Generations
from fhir_server.storage.elastic.index import ElasticSearchIndex
from fhir_server.storage.elastic.projecting import Projecting
from fhir_server.storage.elastic.rebuilding import rebuild
from fhir_server.storage.elastic.writing import Writer, answering

STRICT_WAIT = 10.0  # seconds for criteria that must see everything
LOOK = 0.02  # seconds between looks whether there is an index
PATIENCE = 2.0  # seconds for an answer about the state
CHECK_PATIENCE = 60.0  # seconds that a check waits for the index to catch up


class ElasticEngine:
    """reads: must see every commit at once; extract: search values of a resource's JSON; parameters: those in force.

    wait: seconds that a search waits at most for what was committed before it began; content: whether _content works;
    prepare: see Projector; lease: seconds after which another process takes up the feeding where one is gone; calls:
    how a search calls the projector in another process, None where the feeding is done at once anyway; feeders,
    projectors: among how many processes the keys are divided, and who they are, see Parts.
    """

    def __init__(
        self,
        client: AsyncElasticsearch,
        feed: ChangeFeed,
        reads: VersionReads,
        extract: Extract,
        parameters: Parameters,
        clock: Clock,
        *,
        converter: UnitConverter | None = None,
        prefix: str = "hms",
        shards: int = 1,
        wait: float = 5.0,
        content: bool = True,
        prepare: Prepare | None = None,
        lease: float = LEASE,
        calls: Calls | None = None,
        feeders: Feeders | None = None,
        projectors: int = 1,
    ) -> None:
        self.generations = Generations(client, prefix, shards=shards)
        self._client = client
        self._feed = feed
        self._clock = clock
        self._parameters = parameters
        self._content = content
        self._converter = converter
        self._feeders = feeders or Single()
        self._waiting = Waiting(feed, self._show, calls=calls)
        reading = Reading(reads, extract)
        searched = (self.generations, reads, self._waiting, converter)
        has_field = parameters.in_force
        self.index = ElasticSearchIndex(*searched, has_field=has_field, wait=wait, content=content)
        self.strict = ElasticSearchIndex(*searched, has_field=has_field, wait=STRICT_WAIT, content=content, strict=True)
        self._projecting = Projecting(
            self.generations,
            feed,
            reading,
            self._writer,
            self._waiting,
            prepare=prepare,
            lease=lease,
            calls=calls,
            feeders=self._feeders,
            projectors=projectors,
        )
        self._check = IndexCheck(self.generations, feed, reads, reading, parameters, self._writer, self._caught_up)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to feed the index, as soon as Elasticsearch is there and if no other process does."""
        self._task = asyncio.create_task(self._projecting.run())

    async def ready(self, seconds: float) -> bool:
        """Waits so long at most until there is an index that answers; a first start makes one."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                generation = await self.generations.serving()
                if generation is not None:  # it is listed a moment before its shards are there
                    patient = self._client.options(request_timeout=left + PATIENCE)
                    wait: Any = {"wait_for_status": "yellow", "timeout": f"{left:.1f}s"}
                    await patient.cluster.health(index=generation.name, **wait)
                    return True
            except (ApiError, TransportError):  # searches will say so
                return False
            await asyncio.sleep(LOOK)
        return False

    async def stop(self) -> None:
        """Ends that; another process takes it up within seconds."""
        await end(self._task)

    async def close(self) -> None:
        """Stops and closes the connections."""
        await self.stop()
        await self._waiting.close()
        await self.index.close()
        await self.strict.close()
        await self._client.close()

    async def check(self, repair: bool = False) -> list[Finding]:
        """Every difference between the store and the index, [] for none."""
        return await self._check.run(repair)

    async def rebuild(self, progress: Callable[[int, int], None] = lambda done, of: None) -> int:
        """A new index from the store beside live traffic; returns the position of the swap; FhirError "unavailable"."""
        return await told(lambda: rebuild(self.generations, self._feed, progress))

    async def state(self) -> IndexState:
        """For /metrics and /health/ready."""
        try:
            generation = await self.generations.serving()
            if generation is None:
                return IndexState(self._missing())
            body: dict[str, Any] = {"size": 0, "query": {"exists": {"field": "problem"}}, "track_total_hits": True}
            asking = Asking(self._client.options(request_timeout=PATIENCE), generation.name)
            problems = (await asking.search(body))["hits"]["total"]["value"]
        except (ApiError, TransportError) as problem:
            return IndexState(f"it can't be asked: {advice(problem)}")
        behind = await lag(self._feed, generation.consumer, self._clock)
        parts = await positions_of(self._feed, generation.consumer, self._feeders)
        return IndexState("", generation.name, *behind, problems, parts)

    def _missing(self) -> str:
        """Why there is no index to ask."""
        if closed := ", ".join(self.generations.closed):
            return f"{closed} is closed; open it at Elasticsearch (POST /{self.generations.closed[0]}/_open)"
        if strange := ", ".join(self.generations.strangers):
            return f"{strange} has not this program's mapping; hms reindex makes another"
        return "there is no index yet"

    async def indexed(self) -> int | None:
        """The position up to which everything is in the index that searches ask; None where that can't be told."""
        try:
            generation = await self.generations.serving()
        except (ApiError, TransportError):
            return None
        return await self._feed.position(generation.consumer) if generation is not None else None

    def _writer(self, generation: Generation) -> Writer:
        content, converter = self._content, self._converter
        return Writer(self._client, generation, self._parameters, content=content, converter=converter)

    async def _show(self, consumer: str) -> None:
        with answering():
            await self.generations.show(consumer)

    async def _caught_up(self, consumer: str) -> None:
        await self._waiting(consumer, CHECK_PATIENCE)
