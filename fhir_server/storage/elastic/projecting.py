"""A projector for every generation there is: those that searches ask and those that are being built."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog
from elastic_transport import TransportError
from elasticsearch import ApiError

from fhir_server.core.ports import ChangeFeed
from fhir_server.core.tasks import end
from fhir_server.storage.changes.calls import Calls
from fhir_server.storage.changes.feeders import Feeders
from fhir_server.storage.changes.projector import LEASE, Prepare, Projector
from fhir_server.storage.changes.reading import Reading
from fhir_server.storage.changes.waiting import Waiting
from fhir_server.storage.elastic.failures import advice
from fhir_server.storage.elastic.generations import LOOK_EVERY, Generation, Generations
from fhir_server.storage.elastic.writing import Writer

log = structlog.get_logger("projector")


class Projecting:
    """Looks after the generations and runs their projectors, whatever happens to Elasticsearch meanwhile."""

    def __init__(
        self,
        generations: Generations,
        feed: ChangeFeed,
        reading: Reading,
        writer_of: Callable[[Generation], Writer],
        waiting: Waiting,
        *,
        prepare: Prepare | None = None,
        lease: float = LEASE,
        calls: Calls | None = None,
        feeders: Feeders | None = None,
        projectors: int = 1,
    ) -> None:
        self._generations = generations
        self._feed = feed
        self._reading = reading
        self._writer_of = writer_of
        self._waiting = waiting
        self._prepare = prepare
        self._lease = lease
        self._calls = calls
        self._feeders = feeders
        self._projectors = projectors
        self._running: dict[str, tuple[Projector, asyncio.Task[None]]] = {}
        waiting.hurry = self.hurry

    def hurry(self, consumer: str) -> bool:
        """Somebody waits for what this consumer has not done yet; whether its work is done here."""
        return consumer in self._running and self._running[consumer][0].hurry()

    async def run(self) -> None:
        """Goes on until it is cancelled."""
        away = False
        try:
            while True:
                try:
                    await self._look()
                    away = False
                except (ApiError, TransportError) as problem:
                    if not away:
                        log.warning("Elasticsearch can't be asked", problem=advice(problem))
                    away = True
                except Exception as problem:  # a mistake of ours must not end the feeding for good
                    log.exception("the indices can't be looked after", problem=repr(problem))
                await asyncio.sleep(LOOK_EVERY)
        finally:
            for consumer in list(self._running):
                await self._end(consumer)

    async def _look(self) -> None:
        found = {generation.consumer: generation for generation in await self._generations.look()}
        if not any(generation.serving for generation in found.values()):
            await self._generations.start()
            found = {generation.consumer: generation for generation in await self._generations.look()}
        for consumer in self._running.keys() - found.keys():
            await self._end(consumer)
        for consumer, generation in found.items():
            if consumer not in self._running:
                waiting = self._waiting
                projector = Projector(
                    self._feed,
                    self._reading,
                    self._writer_of(generation),
                    waiting.told,
                    waiting.away,
                    prepare=self._prepare,
                    lease=self._lease,
                    calls=self._calls,
                    feeders=self._feeders,
                    projectors=self._projectors,
                )
                self._running[consumer] = projector, asyncio.create_task(projector.run())

    async def _end(self, consumer: str) -> None:
        _, task = self._running.pop(consumer)
        await end(task)
