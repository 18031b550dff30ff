"""All destinations, and what a person may do to their queues."""

from __future__ import annotations

import asyncio
from typing import Any

from fhir_server.core.errors import error
from fhir_server.core.ports import Clock
from interfaces.hl7v2.configuration import Interfaces
from interfaces.hl7v2.messages.port import Letter, MessageStore
from interfaces.hl7v2.outbound.queue import Queue
from interfaces.hl7v2.outbound.subscribing import Changes, Subscriber, ToMessage

PENDING = ("queued", "sent", "held")


class Destinations:
    """Sends to all of them, from start() to stop()."""

    def __init__(
        self,
        interfaces: Interfaces,
        store: MessageStore,
        clock: Clock,
        owner: str,
        changes: Changes | None,
        make: ToMessage | None,
    ) -> None:
        self._store = store
        self._clock = clock
        self.queues: dict[str, Queue] = {}
        for name, each in interfaces.destination.items():
            subscriber = None
            if each.subscribe:
                if changes is None or make is None:
                    raise error(
                        "value",
                        f"destination {name!r} subscribes to changes, which `hms serve` gives, not a listener apart.",
                    )
                subscriber = Subscriber(name, each, store, changes, make, clock)
            self.queues[name] = Queue(name, each, store, clock, owner, subscriber)
        self._running: list[asyncio.Task] = []

    async def start(self) -> None:
        """Begins to send."""
        self._running = [asyncio.create_task(queue.run()) for queue in self.queues.values()]

    async def stop(self) -> None:
        """Stops; a letter that was not acknowledged is sent again by whoever comes next."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def resend(self, id: int) -> None:
        """Queues a letter again, in its old place."""
        letter = await self._letter(id)
        if not letter.body:
            raise error("business-rule", f"Letter {id} has no content: {letter.reason}")
        await self._store.mark(id, "queued", "sent again by hand", letter.answer, self._clock())

    async def drop(self, id: int, reason: str) -> None:
        """Takes a letter out of its queue; the reason is kept with it."""
        letter = await self._letter(id)
        if letter.state == "accepted":
            raise error("business-rule", f"Letter {id} is accepted; there is nothing to drop.")
        if not reason.strip():
            raise error("required", "A letter is dropped with a reason.", location="reason")
        await self._store.mark(id, "dropped", f"dropped: {reason.strip()[:1000]}", letter.answer, self._clock())

    async def _letter(self, id: int) -> Letter:
        letter = await self._store.letter(id)
        if letter is None:
            raise error("not-found", f"There is no letter {id}.")
        return letter

    async def status(self) -> list[dict[str, Any]]:
        """Each destination with its circuit and how many letters are in which state."""
        counts: dict[str, dict[str, int]] = {}
        oldest: dict[str, int] = {}
        for tally in await self._store.letter_tallies():
            counts.setdefault(tally.sender, {})[tally.state] = tally.count
            if tally.state in PENDING:
                oldest[tally.sender] = min(tally.oldest, oldest.get(tally.sender, tally.oldest))
        found = []
        for name, queue in self.queues.items():
            # told by the letter whose turn it is, so that every process says the same, whichever has the destination
            first = await self._store.next_letter(name) if name in oldest else None
            failures = first.tries - (first.state == "sent") if first is not None else 0
            found.append(
                {
                    "name": name,
                    "host": queue.destination.host,
                    "port": queue.destination.port,
                    "subscribe": list(queue.destination.subscribe),
                    "circuit": "open" if failures >= queue.destination.failures else "closed",
                    "failures": failures,
                    "problem": first.reason if first is not None and failures else "",
                    "letters": counts.get(name, {}),
                    "oldest": oldest.get(name, 0),
                }
            )
        return found
