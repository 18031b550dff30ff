"""One Subscription, served: changes that match become events, and events are told in their order, one after the other.

How far it is is kept after each step, so that whoever goes on after a crash tells at most the last notification again.
What can't be delivered is tried again, later each time; after some tries the Subscription is in error, and whoever puts
it to requested again has it go on where it stopped.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Set

import structlog

from fhir_server.api import FhirServer
from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.pace import Pace
from fhir_server.interactions.environment import Environment
from fhir_server.subscriptions.channels.channel import Channel, Turn, UndeliveredError
from fhir_server.subscriptions.makers import as_maker
from fhir_server.subscriptions.matching import interest_of
from fhir_server.subscriptions.status import note
from fhir_server.subscriptions.store.port import Event, Maker, State, SubscriptionStore, state_from
from fhir_server.subscriptions.subscription import Subscription, content_of, is_followed, is_served, subscription_of
from fhir_server.subscriptions.topics import Topics

AT_ONCE = 200  # changes looked at in one go
MOST_WAITING = 1000  # events that wait to be delivered; for more the feed is the queue
KEPT = 100  # events that are kept once they were delivered
KEEP_EVERY = 5.0  # seconds between two times that a position is kept at which nothing matched
CHECK_EVERY = 10.0  # seconds between two looks whether it is to be served at all: access, and its end
MAKER_SECONDS = 10  # how long after a version who made it may not be known yet
SECOND = 1_000_000

log = structlog.get_logger("subscriptions")


class Serving:
    """Of one Subscription in the process that delivers. version: the newest, which whoever has this object replaces."""

    def __init__(
        self,
        server: FhirServer,
        store: SubscriptionStore,
        channels: Mapping[tuple[str, bool], Channel],
        topics: Topics,
        version: StoredVersion,
    ) -> None:
        self._server = server
        self._store = store
        self._channels = channels
        self._topics = topics
        self._types: tuple[str, ...] | None = None
        self.version = self._about = version  # about: the one that is being served, until the next look
        self._state: State | None = None
        self._kept = self._not_before = 0.0  # by the monotonic clock: the last keeping, the next try

    @property
    def id(self) -> str:
        """The Subscription's."""
        return self.version.id

    def concerned(self, types: Set[str]) -> bool:
        """Whether changes of these types may concern it."""
        return self._types is None or not types.isdisjoint(self._types)

    async def advance(self) -> float:
        """Looks at what is new and delivers it; the seconds after which to go on though nothing happens."""
        self._about = self.version
        try:
            return await self._advance()
        except FhirError as problem:
            if problem.status >= 500:
                log.warning("subscription waits", id=self.id, problem=str(problem))
            elif is_served(decode(self._about.body)):
                await self._note("error", str(problem))
        return CHECK_EVERY

    async def _advance(self) -> float:
        resource = decode(self._about.body)
        if not is_followed(resource):
            return CHECK_EVERY
        content = content_of(resource)
        maker = await self._maker(content)
        if maker is None:
            return 0.2
        asked = subscription_of(resource, self._server.definitions, self._topics)
        if 0 < asked.end <= self._server.environment.clock():
            await self._note("off")
            return CHECK_EVERY
        seen = await as_maker(self._server, maker)
        state = await self._state_of(content)
        await self._match(seen, asked, state)
        if not is_served(resource):
            return CHECK_EVERY
        turn = Turn(seen, asked, state, self._about, maker.base)
        if resource["status"] == "requested":
            turn = await self._begun(turn)
        if (left := self._not_before - time.monotonic()) > 0:
            return min(left, CHECK_EVERY)
        try:
            return min(await self._deliver(turn, maker), CHECK_EVERY)
        except UndeliveredError as problem:
            return await self._again(state, str(problem))

    async def _maker(self, content: str) -> Maker | None:
        """Who made it; None where that may be known in a moment. FhirError "login" where it is not known."""
        maker = await self._store.maker(self.id)
        if maker is not None and maker.content == content:
            return maker
        if self._server.open:
            return Maker(content=content, base=self._server.settings.base_url or f"{self._server.settings.origin}/fhir")
        if self._server.environment.clock() - self._about.updated < MAKER_SECONDS * SECOND:
            return None
        raise error("login", "It is not known who stored it; store it again.")

    async def _state_of(self, content: str) -> State:
        """How far it is; one that says something else than before begins with the version that says so."""
        if self._state is None:
            self._state = await self._store.state(self.id)
            if self._state is not None:  # a store that was restored may be behind what is kept of it
                newest = await self._server.environment.feed.newest()
                self._state.position = min(self._state.position, newest)
        state = state_from(self._state, self.id, content, self._about.seq)
        if state is not self._state:
            self._state = state
            await self._keep(state)
        return state

    async def _begun(self, turn: Turn) -> Turn:
        """Makes it active, where its channel can be used."""
        try:
            await self._channel(turn).begin(turn)
        except UndeliveredError as problem:
            turn.state.problem = str(problem)
            await self._keep(turn.state)
            raise error("business-rule", str(problem)) from None
        turn.state.failures, turn.state.problem, self._not_before = 0, "", 0.0
        await self._keep(turn.state)
        await self._note("active")
        return turn._replace(version=self._about)

    async def _match(self, seen: Environment, asked: Subscription, state: State) -> None:
        feed = self._server.environment.feed
        interest = await interest_of(seen, asked)
        self._types = interest.types
        pace = Pace()
        while state.number - state.delivered < MOST_WAITING:
            changes, position = await feed.changes_of(interest.types, state.position, AT_ONCE)
            if position == state.position:
                return
            before = state.number
            for change in changes:
                await pace()
                if await interest.has(change):
                    state.number += 1
                    state.events.append(Event(state.number, *change))
                state.position = change.seq  # a later one that can't be looked at now brings none of these again
            state.position = position
            if state.number != before or time.monotonic() - self._kept > KEEP_EVERY:
                await self._keep(state)

    async def _deliver(self, turn: Turn, maker: Maker) -> float:
        channel, state = self._channel(turn), turn.state
        while state.delivered < state.number:
            if self.version.version > self._about.version:
                return 0.0  # it was stored anew meanwhile
            waiting = [event for event in state.events if event.number > state.delivered]
            state.delivered = await channel.tell(turn, waiting)
            state.failures, state.problem = 0, ""
            state.heard = self._server.environment.clock()
            state.events = [event for event in state.events if event.number > state.delivered - KEPT]
            await self._keep(state)
            turn = turn._replace(seen=await as_maker(self._server, maker))
        heard = state.heard
        pause = await channel.rest(turn, self._server.environment.clock())
        if state.heard != heard:
            await self._keep(state)
        return pause

    def _channel(self, turn: Turn) -> Channel:
        return self._channels[turn.asked.channel, turn.asked.topic is not None]

    async def _keep(self, state: State) -> None:
        await self._store.keep_state(state)
        self._kept = time.monotonic()

    async def _again(self, state: State, problem: str) -> float:
        """The pause before the next try, longer each time."""
        settings = self._server.settings
        state.failures += 1
        state.problem = problem
        await self._keep(state)
        if state.failures >= settings.subscription_attempts:
            log.warning("subscription in error", id=self.id, failures=state.failures)
            await self._note("error", problem)
            return CHECK_EVERY
        pause = float(min(2 ** (state.failures - 1), settings.subscription_pause_seconds))
        self._not_before = time.monotonic() + pause
        return min(pause, CHECK_EVERY)

    async def _note(self, status: str, problem: str = "") -> None:
        stored = await note(self._server.environment, self._about, status, problem)
        if stored is not None:
            self._about = stored
            if stored.version > self.version.version:
                self.version = stored
            if self._server.environment.following is not None:
                self._server.environment.following.tell()
