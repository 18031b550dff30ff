"""Stored Consents take effect as soon as they are answered; those that other workers store within a second."""

from __future__ import annotations

import asyncio

import structlog

from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError
from fhir_server.core.ports import ChangeFeed, ResourceStore
from fhir_server.core.tasks import end
from fhir_server.interactions.feed_pages import feed_pages
from fhir_server.interactions.stored_now import stored_now
from fhir_server.search.dates import date_range
from fhir_server.security.consents import Provision, provision_of

LOOK_EVERY = 1.0  # seconds between looks for what other workers have stored

log = structlog.get_logger("consents")


class ConsentFollower:
    """provisions: by the Consent's id; generation: grows with each change of them."""

    types = ("Consent",)

    def __init__(self, store: ResourceStore, feed: ChangeFeed) -> None:
        self._store = store
        self._feed = feed
        self._position = 0
        self._task: asyncio.Task | None = None
        self._turn = asyncio.Lock()
        self.provisions: dict[str, tuple[str, Provision]] = {}
        self.generation = 0

    async def start(self) -> None:
        """Reads what is stored and goes on following."""
        self._position = await self._feed.head()
        async for version in stored_now(self._store, "Consent"):
            self._take(version.id, version.body)
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the following."""
        await end(self._task)

    async def refresh(self) -> None:
        """Takes in everything that is in the feed now."""
        async with self._turn:
            async for changes, position in feed_pages(self._feed, self.types, self._position):
                for id in dict.fromkeys(change.id for change in changes):
                    version = await self._store.read("Consent", id)
                    self._take(id, version.body if version else b"")
                self._position = position

    def _take(self, id: str, body: bytes) -> None:
        found = provision_of(decode(body), lambda text: date_range(text) if text else None) if body else None
        if found is not None:
            self.provisions[id] = found
        else:
            self.provisions.pop(id, None)
        self.generation += 1

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.refresh()
            except FhirError as problem:
                log.warning("following waits", problem=str(problem))
