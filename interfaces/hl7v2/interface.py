"""The interface as a whole: its store, worker, listeners, folders and destinations, started and stopped together."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any

import structlog

from fhir_server.client import FhirClient
from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Clock
from interfaces.hl7v2.applying import Applying
from interfaces.hl7v2.configuration import Interfaces
from interfaces.hl7v2.desk import Desk
from interfaces.hl7v2.exchange.acknowledgement import wanted
from interfaces.hl7v2.exchange.folders import watch
from interfaces.hl7v2.exchange.intake import Intake
from interfaces.hl7v2.header import read_header
from interfaces.hl7v2.messages.message import DONE, FAILED, IGNORED, Message, Outcome
from interfaces.hl7v2.messages.port import Letter, MessageStore
from interfaces.hl7v2.mllp.listener import MllpListener
from interfaces.hl7v2.outbound.destinations import Destinations
from interfaces.hl7v2.outbound.queue import ANSWERS
from interfaces.hl7v2.outbound.subscribing import Changes, ToMessage
from interfaces.hl7v2.translation import Translator
from interfaces.hl7v2.worker import Worker

log = structlog.get_logger("hl7")

HOUR = 3600 * 1_000_000
TIDY_SECONDS = 30
STOP_SECONDS = 10


class Hl7Interface:
    """Receives, applies and sends messages until it is stopped."""

    def __init__(
        self,
        interfaces: Interfaces,
        store: MessageStore,
        client: FhirClient,
        translator: Translator,
        clock: Clock,
        *,
        changes: Changes | None = None,
        to_message: ToMessage | None = None,
        shared: bool = False,
    ) -> None:
        self.interfaces = interfaces
        self.store = store
        self.clock = clock
        self.worker = Worker(
            store,
            Applying(interfaces, client, translator, clock),
            clock,
            interfaces.parallel,
            self._settled,
            self._open_here,
        )
        self.intake = Intake(interfaces, store, self.worker, clock)
        self.desk = Desk(store, clock)
        self.listeners = [MllpListener(name, each, self.intake, shared) for name, each in interfaces.listener.items()]
        self.destinations = Destinations(interfaces, store, clock, self.worker.name, changes, to_message)
        self._loops: list[asyncio.Task] = []

    async def start(self) -> None:
        """Opens the ports and begins to work."""
        await self.worker.start()
        try:
            for listener in self.listeners:
                await listener.start()
                log.info("hl7 listening", listener=listener.name, host=listener.listener.host, port=listener.port)
        except FhirError:
            await self.stop()
            raise
        await self.destinations.start()
        watching = (watch(name, each, self) for name, each in self.interfaces.folder.items())
        self._loops = [asyncio.create_task(loop) for loop in (self._tidy(), *watching)]

    def keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Has some work go on until the interface is stopped."""
        self._loops.append(asyncio.create_task(work))

    async def stop(self) -> None:
        """Closes the ports, finishes what was taken and lets go of the store."""
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        await asyncio.gather(*(listener.stop(STOP_SECONDS) for listener in self.listeners))
        await self.destinations.stop()
        await self.worker.stop(STOP_SECONDS)
        await self.store.close()

    async def lease(self, name: str, seconds: float) -> bool:
        """Whether this process has some work, of which there is one for all processes, for so long."""
        now = self.clock()
        return await self.store.lease(name, self.worker.name, now, now + int(seconds * 1_000_000))

    def _open_here(self) -> dict[str, int]:
        return {listener.name: listener.connections for listener in self.listeners}

    async def connections(self) -> dict[str, int]:
        """Open connections by listener, of all processes; those of others as they said some seconds ago at most."""
        elsewhere = await self.store.connections(self.clock(), self.worker.name)
        return {name: count + elsewhere.get(name, 0) for name, count in self._open_here().items()}

    # ------------------------------------------------------------------ later acknowledgements by a destination
    async def _settled(self, message: Message, outcome: Outcome) -> None:
        """Queues the application acknowledgement where it goes to a destination."""
        policies = self.interfaces.policies(message.sender)
        if not policies.reply or message.attempt:
            return
        header = read_header(await self.store.raw(message.id))
        if header is None or not header.enhanced or not wanted(header.application, outcome.code == "AA"):
            return
        answer = read_header(outcome.answer)
        control = answer.control if answer else ""
        kind = answer.type if answer else "ACK"
        now = self.clock()
        letter = Letter(
            0, policies.reply, f"{ANSWERS}{message.provenance}", kind, control, outcome.answer, "queued", now, now
        )
        await self.store.post("", 0, [letter])

    # ------------------------------------------------------------------ what becomes old
    async def _tidy(self) -> None:
        while True:
            with contextlib.suppress(FhirError):
                if await self.lease("tidy", TIDY_SECONDS):
                    await self.tidy()
            await asyncio.sleep(TIDY_SECONDS)

    async def tidy(self) -> None:
        """Fails messages that waited too long, and removes those that are kept long enough."""
        now = self.clock()
        hours = {name: sender.wait_hours for name, sender in self.interfaces.sender.items()}
        shortest = min([*hours.values(), self.interfaces.policies("").wait_hours])
        for message in await self.store.overdue(now - int(shortest * HOUR)):
            allowed = self.interfaces.policies(message.sender).wait_hours
            if message.received < now - int(allowed * HOUR):
                reason = f"its patient did not come within {allowed:g} hours"
                await self.store.expire(message, Outcome(FAILED, reason), now)
        for days, states in ((self.interfaces.done_days, (DONE, IGNORED)), (self.interfaces.failed_days, (FAILED,))):
            while days and await self.store.purge(now - int(days * 24 * HOUR), states) == 1000:
                await asyncio.sleep(0)
