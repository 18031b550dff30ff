"""What is stored of a few types, kept in mind: read at the start, then followed along the change feed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ChangeFeed, ResourceStore
from fhir_server.core.repeats import Repeats
from fhir_server.core.tasks import end
from fhir_server.interactions.followers.feed_pages import feed_pages
from fhir_server.interactions.followers.stored_now import stored_now

LOOK_EVERY = 1.0  # seconds between looks for what other workers have stored

log = structlog.get_logger("following")


class ResourceFollower:
    """A `Follower`; whoever inherits names the types and takes what is stored of them."""

    types: Collection[str] = ()

    def __init__(self, store: ResourceStore, feed: ChangeFeed) -> None:
        self._store = store
        self._feed = feed
        self._position = 0
        self._task: asyncio.Task | None = None
        self._turn = asyncio.Lock()
        self._told_already = Repeats()

    def take(self, type: str, id: str, version: StoredVersion | None) -> None:
        """Takes in what is stored of a resource now; None where it is deleted, or gone."""
        raise NotImplementedError

    async def start(self) -> None:
        """Reads what is stored and goes on following."""
        self._position = await self._feed.head()
        for type in self.types:
            async for version in stored_now(self._store, type):
                self.take(type, version.id, version)
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the following."""
        await end(self._task)

    async def refresh(self) -> None:
        """Takes in everything that is in the feed now."""
        async with self._turn:
            async for changes, position in feed_pages(self._feed, self.types, self._position):
                for type, id in dict.fromkeys((change.type, change.id) for change in changes):
                    version = await self._store.read(type, id)
                    self.take(type, id, version if version is not None and version.body else None)
                self._position = position

    async def look(self) -> None:
        """Takes in what others have stored; asked each LOOK_EVERY seconds."""
        await self.refresh()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except Exception as problem:  # whatever it is, nothing else would go on
                self._told_already.tell(log, "following waits", problem, types=sorted(self.types))
