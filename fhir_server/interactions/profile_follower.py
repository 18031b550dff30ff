"""Stored StructureDefinitions become usable as profiles, along the change feed."""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import ChangeFeed, ResourceStore, SearchIndex
from fhir_server.core.query import Query
from profiles.sources import StoredProfiles

TYPE = "StructureDefinition"
LOOK_EVERY = 1.0  # seconds between looks for what other workers have stored
PAGE = 1000  # changes, or resources, looked at together

log = structlog.get_logger("profiles")


class ProfileFollower:
    """Keeps profiles in step with the StructureDefinition resources in the store; all of them are read at the start."""

    types = (TYPE,)

    def __init__(self, store: ResourceStore, index: SearchIndex, feed: ChangeFeed, profiles: StoredProfiles) -> None:
        self._store = store
        self._index = index
        self._feed = feed
        self._profiles = profiles
        self._position = 0
        self._task: asyncio.Task | None = None
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Reads what is stored and goes on following."""
        self._position = await self._feed.head()
        cursor = ""
        while True:
            page = await self._index.search(Query((TYPE,), count=PAGE, cursor=cursor))
            for version in page.matches:
                self._profiles.put(version.id, version.body)
            cursor = page.next
            if not cursor:
                break
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the following."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def refresh(self) -> None:
        """Takes in everything that is in the feed now."""
        async with self._turn:
            while changes := await self._feed.changes(self._position, PAGE):
                for id in dict.fromkeys(change.id for change in changes if change.type == TYPE):
                    version = await self._store.read(TYPE, id)
                    if version is None or version.deleted:
                        self._profiles.remove(id)
                    else:
                        self._profiles.put(id, version.body)
                self._position = changes[-1].seq

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.refresh()
            except FhirError as problem:
                log.warning("following waits", problem=str(problem))
