"""A process's share of the messages: applies what the store gives it, in the order of the lanes; tells who waits."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import msgspec
import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Clock
from interfaces.hl7v2.applying import Applying, Later
from interfaces.hl7v2.messages.message import Message, Outcome
from interfaces.hl7v2.messages.owners import owner_name
from interfaces.hl7v2.messages.port import MessageStore

log = structlog.get_logger("hl7")

SECOND = 1_000_000
ALIVE_SECONDS = 10  # a worker that says nothing for so long is dead
BEAT_SECONDS = 2
LOOK_SECONDS = 0.5  # between two looks for messages that nobody has
ASK_SECONDS = 0.02  # between two questions for what another worker's message came to
CLAIMED = 64  # messages taken in one look
KEPT_BYTES = 2**20  # a message up to this size is not read from the store again
LONGEST_PAUSE = 30.0
BRISK = 16  # answers that wait for no application, within SPAN, from which on the next such answers come first
SPAN = 0.25  # seconds
GIVES_WAY = 2.0  # seconds that a message stands back for those before it meanwhile
LONGEST_REST = 0.1  # seconds between two messages that are applied meanwhile
TRIES = 5  # of a message whose failure may be its own

Settled = Callable[[Message, Outcome], Awaitable[None]]


class Worker:
    """Applies messages, a few at once. connections: how many are open here, by listener; others are told."""

    def __init__(
        self,
        store: MessageStore,
        applying: Applying,
        clock: Clock,
        parallel: int,
        settled: Settled,
        connections: Callable[[], Mapping[str, int]],
    ) -> None:
        self.name = f"{owner_name()}/{uuid.uuid4().hex[:8]}"
        self._store = store
        self._applying = applying
        self._clock = clock
        self._room = asyncio.Semaphore(parallel)
        self._alone = asyncio.Semaphore()
        self._answers: deque[float] = deque(maxlen=BRISK)  # the event loop's times
        self._parallel = parallel
        self._settled = settled
        self._connections = connections
        self._running: dict[int, asyncio.Task] = {}
        self._asked: dict[int, asyncio.Future[Message]] = {}
        self._loops: list[asyncio.Task] = []
        self._failing: dict[str, str] = {}  # what of the loops fails at the moment, and how
        self._stopping = False

    async def start(self) -> None:
        """Begins to look for work."""
        await self._beat()
        self._loops = [asyncio.create_task(each()) for each in (self._beats, self._look, self._ask)]

    async def stop(self, patience: float = 10) -> None:
        """Finishes what is under way, as far as that takes no longer than patience; the rest is anybody's."""
        self._stopping = True
        for loop in self._loops:
            loop.cancel()
        running = list(self._running.values())
        if running:
            await asyncio.wait(running, timeout=patience)
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._loops, *self._running.values(), return_exceptions=True)
        for future in self._asked.values():
            future.cancel()
        await self._store.gone(self.name)

    def run(self, message: Message, raw: bytes | None = None) -> None:
        """Applies a message that is this worker's."""
        again = raw is None
        held = raw if raw is not None and len(raw) <= KEPT_BYTES else None
        task = asyncio.create_task(self._run(message, held, again))
        self._running[message.id] = task
        task.add_done_callback(lambda _: self._running.pop(message.id, None))

    def answered(self) -> None:
        """A sender was answered that waits for no application: brisk traffic of this kind is kept and answered first.

        Messages are applied one at a time meanwhile, as many at once would hold up each answer by many steps of theirs.
        """
        self._answers.append(asyncio.get_running_loop().time())

    async def outcome(self, message: Message) -> Message:
        """The message once it is settled, whichever worker has it."""
        if message.settled:
            return message
        future = self._asked.get(message.id)
        if future is None:
            future = self._asked[message.id] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(future)

    # ------------------------------------------------------------------ applying
    async def _run(self, message: Message, raw: bytes | None, again: bool) -> None:
        pause = 0.2
        tries = 0
        while True:
            try:
                async with self._room, self._turn():
                    content = raw if raw is not None else await self._store.raw(message.id)
                    outcome = await self._applying.apply(message, content, again)
                break
            except (Later, FhirError) as problem:
                tries += 1
                log.warning("hl7 message must wait", message=message.id, problem=str(problem)[:300])
                if isinstance(problem, Later) and not problem.lasting and tries == TRIES:
                    outcome = self._applying.given_up(message, raw or b"", str(problem))
                    break
                await self._note(message, f"tried again: {problem}")
                again = True
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        await self._finish(message, outcome)

    @contextlib.asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One at a time while answers come first, each after a rest as long as the one before took, which is the
        answers'; whoever has stood back for long goes too."""
        answers, loop = self._answers, asyncio.get_running_loop()
        if len(answers) < BRISK or loop.time() - answers[0] > SPAN:
            yield
            return
        alone = False
        with contextlib.suppress(TimeoutError):
            alone = await asyncio.wait_for(self._alone.acquire(), GIVES_WAY)
        began = loop.time()
        try:
            yield
        finally:
            if alone:
                loop.call_later(min(loop.time() - began, LONGEST_REST), self._alone.release)

    async def _note(self, message: Message, reason: str) -> None:
        try:
            await self._store.note(message, reason[:2000])
        except FhirError as problem:
            log.warning("hl7 state not written", message=message.id, problem=str(problem))

    async def _finish(self, message: Message, outcome: Outcome) -> None:
        pause = 0.05
        while True:
            try:
                await self._settled(message, outcome)
                following = await self._store.finish(message, self.name, outcome, self._clock())
                break
            except FhirError as problem:
                self._tell(message, outcome)
                log.warning("hl7 state not written", message=message.id, problem=str(problem))
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
        self._tell(message, outcome)
        for each in following:
            if not self._stopping:
                self.run(each)

    def _tell(self, message: Message, outcome: Outcome) -> None:
        future = self._asked.pop(message.id, None)
        if future is not None and not future.done():
            future.set_result(after(message, outcome))

    # ------------------------------------------------------------------ loops
    async def _beat(self) -> None:
        await self._store.alive(self.name, self._clock() + ALIVE_SECONDS * SECOND, self._connections())

    async def _beats(self) -> None:
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self._surely("alive", self._beat)

    async def _look(self) -> None:
        while True:
            await self._surely("claim", self.look)
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Takes messages that nobody has."""
        room = self._parallel * 4 - len(self._running)
        if room > 0:
            for message in await self._store.claim(self.name, min(room, CLAIMED)):
                self.run(message)

    async def _ask(self) -> None:
        """Learns what became of messages that other workers have."""
        while True:
            await asyncio.sleep(ASK_SECONDS)
            foreign = [id for id in self._asked if id not in self._running]
            if foreign:
                await self._surely("settled", functools.partial(self._learn, foreign[:500]))

    async def _learn(self, ids: list[int]) -> None:
        for message in await self._store.settled(ids):
            future = self._asked.pop(message.id, None)
            if future is not None and not future.done():
                future.set_result(message)

    async def _surely(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        """Does it, whatever becomes of it; a failure that lasts, such as a full disk, is told once."""
        try:
            await work()
        except Exception as problem:
            said = str(problem) if isinstance(problem, FhirError) else type(problem).__name__
            if self._failing.get(what) != said:
                log.exception("hl7 worker's look failed", look=what, problem=said)
            self._failing[what] = said
        else:
            if self._failing.pop(what, None):
                log.info("hl7 worker's look goes on", look=what)


def after(message: Message, outcome: Outcome) -> Message:
    """The message as the outcome leaves it."""
    return msgspec.structs.replace(
        message,
        state=outcome.state,
        reason=outcome.reason,
        links=outcome.links,
        code=outcome.code,
        answer=outcome.answer,
    )
