"""All Subscriptions of a server: one process delivers, and another goes on as soon as that one ends.

Where none is to be served, a process looks at a word in shared memory once a second and at nothing else; between
machines at the change feed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

import structlog

from fhir_server.api import FhirServer
from fhir_server.codec.json import decode
from fhir_server.core.jobs import JobStore
from fhir_server.core.keys import StoredVersion
from fhir_server.core.tasks import end
from fhir_server.interactions.followers.resource_follower import ResourceFollower
from fhir_server.subscriptions.channels.channel import Channel
from fhir_server.subscriptions.criteria import TYPE
from fhir_server.subscriptions.serving import CHECK_EVERY, Serving
from fhir_server.subscriptions.store.port import SubscriptionStore
from fhir_server.subscriptions.subscription import is_followed, status_of
from fhir_server.subscriptions.topics import Topics

DELIVERER = "subscriptions"  # the job that is held by the process that delivers
TICK = 0.1  # seconds between two looks at the feed of the process that delivers
CONFIRM_EVERY = 5.0  # seconds between two looks whether the job is still held
AT_ONCE = 1000

Channels = dict[tuple[str, bool], Channel]  # by channel.type, and whether it is of a topic

log = structlog.get_logger("subscriptions")


class Subscriptions(ResourceFollower):
    """In one process. channels: made once there is something to deliver; shared: whether other machines store too."""

    types = (TYPE,)

    def __init__(
        self,
        server: FhirServer,
        store: SubscriptionStore,
        channels: Callable[[], Channels],
        topics: Topics,
        jobs: JobStore,
        shared: bool,
    ) -> None:
        super().__init__(server.environment.store, server.environment.feed)
        self._server = server
        self._kept = store
        self._make_channels = channels
        self._channels: Channels = {}
        self._topics = topics
        self._jobs = jobs
        self._shared = shared
        self._served: dict[str, StoredVersion] = {}  # what is to be served
        self.statuses: dict[str, str] = {}  # of all that are stored
        self._servings: dict[str, tuple[Serving, asyncio.Event, asyncio.Task[None]]] = {}
        self._delivering: asyncio.Task[None] | None = None

    def take(self, type: str, id: str, version: StoredVersion | None) -> None:
        """Has it served as it is now."""
        resource = decode(version.body) if version is not None else {}
        self.statuses[id] = status_of(resource)
        if version is not None and is_followed(resource):
            self._served[id] = version
            if id in self._servings:
                serving, wake, _ = self._servings[id]
                if version.version > serving.version.version:
                    serving.version = version
                    wake.set()
            elif self._delivering is None and self._task is not None:
                self._begin()
        else:
            self._served.pop(id, None)
        if version is None:
            self.statuses.pop(id)

    async def look(self) -> None:
        """Takes in what others have stored, and delivers where nobody else does."""
        following = self._server.environment.following
        if following is not None:
            await following.before()
        if self._shared:
            await self.refresh()
        if self._served:
            self._begin()

    async def stop(self) -> None:
        """Ends the deliveries; what was not delivered is by whoever comes next."""
        await super().stop()
        await end(self._delivering)

    def _begin(self) -> None:
        if self._delivering is None:
            self._delivering = asyncio.create_task(self._deliver())
            self._delivering.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[None]) -> None:
        self._delivering = None
        if not task.cancelled() and (problem := task.exception()) is not None:
            log.error("subscriptions wait", problem=repr(problem))

    async def _deliver(self) -> None:
        """For as long as the job is this process's, and there is something to do."""
        if await self._jobs.find(DELIVERER) is None:
            with contextlib.suppress(FileExistsError):  # another process is as quick
                await self._jobs.create(DELIVERER, b"{}", {})
        async with self._jobs.held(DELIVERER) as mine:
            if not mine:
                return
            self._channels = self._channels or self._make_channels()
            try:
                await self.refresh()
                await self._forget_erased()
                await self._loop()
            finally:
                for id in list(self._servings):
                    await self._end(id)

    async def _forget_erased(self) -> None:
        """What is deleted is forgotten with its deletion; what was erased, here."""
        for state in await self._kept.states():
            if state.id not in self.statuses:
                await self._kept.forget(state.id)

    async def _loop(self) -> None:
        loop = asyncio.get_running_loop()
        confirmed = loop.time()
        position = await self._feed.head()
        while self._served:
            await self._reconcile()
            await asyncio.sleep(TICK)
            if loop.time() - confirmed > CONFIRM_EVERY:
                confirmed = loop.time()
                if not await self._jobs.save(DELIVERER, b"{}"):
                    return
            if self._server.environment.following is not None:
                await self._server.environment.following.before()
            if await self._feed.newest() != position:
                position = await self._wake(position)

    async def _wake(self, position: int) -> int:
        """Wakes those that changes past a position may concern; the position after these."""
        changes = await self._feed.changes(position, AT_ONCE)
        types = {change.type for change in changes}
        if TYPE in types:
            await self.refresh()
            await self._reconcile()  # what was ended hears nothing of what came after that
        for serving, wake, _ in self._servings.values():
            if serving.concerned(types):
                wake.set()
        return changes[-1].seq if changes else position

    async def _reconcile(self) -> None:
        for id in self._servings.keys() - self._served.keys():
            await self._end(id)
        for id, version in self._served.items():
            if id not in self._servings:
                serving = Serving(self._server, self._kept, self._channels, self._topics, version)
                wake = asyncio.Event()
                self._servings[id] = (serving, wake, asyncio.create_task(self._serve(serving, wake)))

    async def _end(self, id: str) -> None:
        await end(self._servings.pop(id)[2])

    async def _serve(self, serving: Serving, wake: asyncio.Event) -> None:
        while True:
            wake.clear()
            try:
                pause = await serving.advance()
            except Exception:
                log.exception("subscription failed", id=serving.id)
                pause = CHECK_EVERY
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), pause)
