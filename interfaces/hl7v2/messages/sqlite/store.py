"""The embedded `MessageStore`: hl7.sqlite in the data folder."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from fhir_server.core.ports import Clock
from interfaces.hl7v2.messages.message import TRANSLATING, WAITING, Arrival, Message, Outcome
from interfaces.hl7v2.messages.port import NONE_OPEN, Counter, Kept, Tally, Wanted
from interfaces.hl7v2.messages.sqlite import erasing, lanes, reading, writing
from interfaces.hl7v2.messages.sqlite.journal import Journal, connect, prepare
from interfaces.hl7v2.messages.sqlite.letters import SqliteLetters
from interfaces.hl7v2.messages.sqlite.schema import LATER, TABLES, VERSION
from interfaces.hl7v2.messages.sqlite.sealing import Keys, Sealing

FILE_NAME = "hl7.sqlite"
FOLLOWING = 8  # messages that one that is settled may hand on

T = TypeVar("T")


class SqliteMessageStore(SqliteLetters):
    """Messages in one file; several processes may have it open. Reads run beside the event loop."""

    def __init__(self, path: Path, clock: Clock, *, synchronous: str = "FULL", keys: Keys | None = None) -> None:
        prepare(path, TABLES, VERSION, LATER)
        self._journal = Journal(path, synchronous)
        self._reader = connect(path, read_only=True)
        self._reading = threading.Lock()
        self._sealing = Sealing(keys)
        super().__init__(self._journal, self._read, self._sealing, clock)

    async def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        def locked() -> T:
            with self._reading:
                return query(self._reader)

        return await asyncio.to_thread(locked)

    # ------------------------------------------------------------------ in
    async def keep(self, arrival: Arrival, owner: str, refuse_other: str = "") -> Kept:
        """See the port."""
        digest, now = arrival.digest, self._clock()
        content, given = self._sealing.sealed(arrival.raw), self._sealing.arrival(arrival)
        kept = await self._journal.run(lambda c: writing.keep(c, given, content, digest, owner, refuse_other, now))
        return kept._replace(message=self._sealing.message(kept.message))

    async def claim(self, owner: str, limit: int) -> list[Message]:
        """See the port."""
        now = self._clock()

        def work(connection: sqlite3.Connection) -> list[Message]:
            lanes.free_dead(connection, now)
            return lanes.take(connection, owner, lanes.held(connection), now, limit)

        return self._sealing.messages(await self._journal.run(work, durable=False))

    async def finish(self, message: Message, owner: str, outcome: Outcome, now: int) -> list[Message]:
        """See the port; not flushed: what it says can be told again from the FHIR store."""
        sealed = self._sealing.outcome(outcome)
        return self._sealing.messages(
            await self._journal.run(lambda c: lanes.settle(c, message, owner, sealed, now, FOLLOWING), durable=False)
        )

    async def note(self, message: Message, reason: str) -> None:
        """See the port."""
        await self._journal.run(
            lambda c: c.execute("UPDATE message SET reason = ? WHERE id = ? AND state = ?",
                                (reason, message.id, TRANSLATING)).rowcount,
            durable=False,
        )  # fmt: skip

    async def reopen(self, id: int, raw: bytes | None, reason: str, patients: tuple[str, ...], now: int) -> bool:
        """See the port."""
        content = raw if raw is None else self._sealing.sealed(raw)
        return await self._journal.run(lambda c: writing.reopen(c, id, content, reason, patients, now))

    async def dismiss(self, id: int, reason: str, now: int) -> bool:
        """See the port."""
        return await self._journal.run(lambda c: writing.dismiss(c, id, reason, now))

    async def overdue(self, received_before: int) -> list[Message]:
        """See the port."""
        found = await self.find(Wanted(state=WAITING, oldest_first=True, until=received_before, limit=100))
        return found

    async def expire(self, message: Message, outcome: Outcome, now: int) -> None:
        """See the port."""
        sealed = self._sealing.outcome(outcome)
        await self._journal.run(lambda c: writing.expire(c, message, sealed, now))

    async def purge(self, before: int, states: Sequence[str], limit: int = 1000) -> int:
        """See the port."""
        return await self._journal.run(lambda c: writing.purge(c, before, states, limit), durable=False)

    async def erase(self, patient: str, ids: Sequence[int]) -> list[Message]:
        """See the port."""
        now = self._clock()
        return await self._journal.run(lambda c: erasing.erase(c, patient, ids, now))

    # ------------------------------------------------------------------ workers
    async def alive(self, owner: str, until: int, connections: Mapping[str, int] = NONE_OPEN) -> None:
        """See the port."""
        await self._journal.run(lambda c: lanes.alive(c, owner, until, connections), durable=False)

    async def connections(self, now: int, but: str) -> dict[str, int]:
        """See the port."""
        return await self._read(lambda c: lanes.connections(c, now, but))

    async def gone(self, owner: str) -> None:
        """See the port."""
        await self._journal.run(lambda c: lanes.free(c, owner))

    async def lease(self, name: str, owner: str, now: int, until: int) -> bool:
        """See the port."""
        return await self._journal.run(lambda c: writing.lease(c, name, owner, now, until), durable=False)

    # ------------------------------------------------------------------ reads
    async def load(self, id: int) -> Message | None:
        """See the port."""
        found = await self._read(lambda c: reading.load(c, id))
        return self._sealing.message(found) if found is not None else None

    async def raw(self, id: int, revision: int = -1) -> bytes:
        """See the port."""
        return self._sealing.opened(await self._read(lambda c: reading.raw(c, id, revision)))

    async def find(self, wanted: Wanted) -> list[Message]:
        """See the port."""
        return self._sealing.messages(await self._read(lambda c: reading.find(c, wanted)))

    async def settled(self, ids: Sequence[int]) -> list[Message]:
        """See the port."""
        return self._sealing.messages(await self._read(lambda c: reading.settled(c, ids)))

    async def tallies(self) -> list[Tally]:
        """See the port."""
        return await self._read(reading.tallies)

    async def counters(self) -> list[Counter]:
        """See the port."""
        return await self._read(reading.counters)

    async def close(self) -> None:
        """See the port."""
        await self._journal.close()
        self._reader.close()
        self._sealing.close()
