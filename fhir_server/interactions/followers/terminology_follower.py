"""Stored CodeSystems, ValueSets and ConceptMaps become part of the terminology, along the change feed."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Change, ChangeFeed, ResourceStore
from fhir_server.core.repeats import Repeats
from fhir_server.core.tasks import end
from fhir_server.interactions.followers.feed_pages import feed_pages
from fhir_server.interactions.followers.stored_now import stored_now
from terminology import Terminology

TYPES = frozenset({"CodeSystem", "ValueSet", "ConceptMap"})
CONSUMER = "terminology"
LOOK_EVERY = 1.0  # seconds between looks for what other workers have stored

Canonical = tuple[str, str, str]  # type, url, version

log = structlog.get_logger("terminology")


class _Named(msgspec.Struct):
    url: str = ""
    version: str = ""


_named = msgspec.json.Decoder(_Named).decode


def _canonical(version: StoredVersion | None) -> Canonical | None:
    """What a resource is known by; None for what is deleted, or has no url."""
    if version is None or version.deleted:
        return None
    named = _named(version.body)
    return (version.type, named.url, named.version) if named.url else None


class TerminologyFollower:
    """Puts what is stored into the terminology service; the position in the feed is durable, replay changes nothing."""

    types = TYPES

    def __init__(self, store: ResourceStore, feed: ChangeFeed, service: Terminology, consumer: str = CONSUMER) -> None:
        self._consumer = consumer
        self._store = store
        self._feed = feed
        self._service = service
        self._position = 0
        self._names: dict[tuple[str, str], Canonical | None] | None = None  # by type and id, once somebody has left
        self._task: asyncio.Task | None = None
        self._turn = asyncio.Lock()
        self._told_already = Repeats()

    async def start(self) -> None:
        """Catches up and goes on following; a terminology that is new takes what is stored instead of all changes."""
        self._position = await self._feed.position(self._consumer)
        if not self._position:
            await self._take_all()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the following."""
        await end(self._task)

    async def refresh(self) -> None:
        """Takes in everything that is in the feed now."""
        async with self._turn:
            relevant = False
            async for changes, position in feed_pages(self._feed, self.types, self._position):
                for change in changes:
                    relevant = True
                    await self._take(change)
                self._position = position
            if relevant:
                await self._feed.advance(self._consumer, self._position)

    async def _take(self, change: Change) -> None:
        version = await self._store.read_version(change.type, change.id, change.version)
        previous = await self._store.read_version(change.type, change.id, change.version - 1)
        now, before = _canonical(version), _canonical(previous)
        if before is not None and before != now:
            await self._leave(before, change.id)
        if self._names is not None:
            self._names[change.type, change.id] = now
        if version is not None and now is not None:
            await self._put(version)

    async def _leave(self, canonical: Canonical, id: str) -> None:
        """What a resource was known by is another's that has the same url and version, or not known any more."""
        if self._names is None:  # few leave: only then is it worth knowing who is called what
            self._names = {
                (type, version.id): _canonical(version)
                for type in TYPES async for version in stored_now(self._store, type)
            }  # fmt: skip
        for (type, other), named in self._names.items():
            if named == canonical and other != id:
                version = await self._store.read(type, other)
                if version is not None and _canonical(version) == canonical and await self._put(version):
                    return
        await asyncio.to_thread(self._service.remove, *canonical)

    async def _take_all(self) -> None:
        position = await self._feed.head()
        for type in sorted(TYPES):
            async for version in stored_now(self._store, type):
                await self._put(version)
        self._position = position
        try:
            await self._feed.advance(self._consumer, position)
        except FhirError as problem:  # such as a full disk: the next start takes it all again
            log.warning("position not kept", problem=str(problem))

    async def _put(self, version: StoredVersion) -> bool:
        """Whether it can be used."""
        resource = decode(version.body)
        if "url" not in resource:
            return False
        try:
            await asyncio.to_thread(self._service.put, resource)
        except FhirError as problem:
            log.warning("not usable as terminology", type=version.type, problem=str(problem))
            return False
        return True

    async def _watch(self) -> None:
        while True:
            try:
                await self.refresh()
            except Exception as problem:  # whatever it is, nothing else would go on
                self._told_already.tell(log, "following waits", problem)
            await asyncio.sleep(LOOK_EVERY)
