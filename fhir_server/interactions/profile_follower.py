"""Stored StructureDefinitions become usable as profiles, and Questionnaires for responses, along the change feed."""

from __future__ import annotations

import asyncio

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import ChangeFeed, ResourceStore
from fhir_server.core.tasks import end
from fhir_server.interactions.feed_pages import feed_pages
from fhir_server.interactions.stored_now import stored_now
from profiles.sources import StoredProfiles

LOOK_EVERY = 1.0  # seconds between looks for what other workers have stored

log = structlog.get_logger("profiles")


class ProfileFollower:
    """Keeps profiles and questionnaires in step with the resources in the store; all are read at the start."""

    types = StoredProfiles.types

    def __init__(self, store: ResourceStore, feed: ChangeFeed, profiles: StoredProfiles) -> None:
        self._store = store
        self._feed = feed
        self._profiles = profiles
        self._position = 0
        self._task: asyncio.Task | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Reads what is stored and goes on following."""
        self._position = await self._feed.head()
        for type in self.types:
            async for version in stored_now(self._store, type):
                self._profiles.put(type, version.id, version.body)
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the following."""
        await end(self._task)

    async def refresh(self) -> None:
        """Takes in everything that is in the feed now."""
        async with self._turn:
            async for changes, position in feed_pages(self._feed, self.types, self._position):
                for type, id in dict.fromkeys((c.type, c.id) for c in changes):
                    version = await self._store.read(type, id)
                    if version is None or version.deleted:
                        self._profiles.remove(type, id)
                    else:
                        self._profiles.put(type, id, version.body)
                self._position = position

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.refresh()
            except FhirError as problem:
                log.warning("following waits", problem=str(problem))
