"""The queue of one destination: the oldest letter is sent until it is acknowledged, then the next.

A destination is one process's at a time (a lease). After some failures in a row the circuit is open: one try each
longest pause, until one succeeds.
"""

from __future__ import annotations

import asyncio
import contextlib

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Clock
from interfaces.hl7v2.configuration import Destination
from interfaces.hl7v2.messages.port import Letter, MessageStore
from interfaces.hl7v2.mllp.sender import MllpSender, Undelivered
from interfaces.hl7v2.outbound.subscribing import Subscriber

log = structlog.get_logger("hl7")

LEASE_SECONDS = 15
IDLE_SECONDS = 0.25
SECOND = 1_000_000
ANSWERS = "answer "  # how the key of an acknowledgement that goes to a destination begins


class Queue:
    """Sends the letters of one destination, in order."""

    def __init__(
        self,
        name: str,
        destination: Destination,
        store: MessageStore,
        clock: Clock,
        owner: str,
        subscriber: Subscriber | None,
    ) -> None:
        self.name = name
        self.destination = destination
        self._failures = 0
        self._store = store
        self._clock = clock
        self._owner = owner
        self._subscriber = subscriber
        self._sender = MllpSender(destination)
        self._mine_until = 0

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            while True:
                pause = IDLE_SECONDS
                try:
                    if await self._mine():
                        pause = await self._advance()
                except FhirError as problem:
                    log.warning("hl7 destination must wait", destination=self.name, problem=str(problem))
                except Exception:
                    log.exception("hl7 destination failed", destination=self.name)
                    pause = self.destination.longest_pause_seconds
                await self._rest(pause)
        finally:
            await self._sender.close()

    async def _advance(self) -> float:
        """Makes letters of changes and sends the oldest letter; the pause after it."""
        more = self._subscriber is not None and await self._subscriber.advance()
        letter = await self._store.next_letter(self.name)
        if letter is not None and letter.state != "held":
            return await self._send(letter)
        return 0 if more else IDLE_SECONDS

    async def _rest(self, pause: float) -> None:
        """Waits; a lease that is held is kept."""
        loop = asyncio.get_running_loop()
        until = loop.time() + pause
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, LEASE_SECONDS / 3))
            if left > LEASE_SECONDS / 3:
                with contextlib.suppress(FhirError):
                    await self._mine()

    async def _mine(self) -> bool:
        now = self._clock()
        seconds = LEASE_SECONDS + self.destination.answer_seconds + self.destination.connect_seconds
        if self._mine_until - now > seconds * SECOND * 0.8:
            return True
        until = now + int(seconds * SECOND)
        if await self._store.lease(f"destination {self.name}", self._owner, now, until):
            self._mine_until = until
            return True
        self._mine_until = 0
        await self._sender.close()
        return False

    async def _send(self, letter: Letter) -> float:
        """Sends a letter; the pause after it."""
        await self._store.mark(letter.id, "sent", letter.reason, b"", self._clock(), 1)
        there = self.destination
        try:
            if letter.key.startswith(ANSWERS):
                await self._sender.tell(letter.body)
                state, reason, answer = "accepted", "sent; no acknowledgement is due", b""
            else:
                found = await self._sender.send(letter.body, letter.control)
                answer = found.content
                state = "accepted" if found.accepted else "held" if there.refused == "hold" else "failed"
                reason = f"{found.code} {found.text}".strip()[:2000]
        except Undelivered as problem:
            self._failures += 1
            await self._store.mark(letter.id, "queued", str(problem)[:2000], b"", self._clock())
            if self._failures == there.failures:
                log.warning("hl7 destination away", destination=self.name, problem=str(problem))
            if self._failures >= there.failures:
                return there.longest_pause_seconds
            return min(there.back_off_seconds * 2 ** (self._failures - 1), there.longest_pause_seconds)
        if self._failures >= there.failures:
            log.info("hl7 destination back", destination=self.name)
        self._failures = 0
        await self._store.mark(letter.id, state, reason, answer, self._clock())
        return 0
