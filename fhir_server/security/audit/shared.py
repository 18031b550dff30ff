"""The audit logs of all machines on one MongoDB: each has its own chain, and copies its rows there.

An event is durable in its machine's own log before an answer goes out (log.py), and in MongoDB within COPY_EVERY, so a
machine that is lost takes a second of its events along at most; or it is in MongoDB before the answer goes out, for
machines whose disk goes with them. That of a write is in MongoDB with its commit, as a note, until it is copied
(shared_notes.py). Searches and reads are answered from the copies, once this machine's own are there (copies.py). Rows
are never changed, so every machine's chain can be verified by any.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
import structlog
from pymongo import DESCENDING, MongoClient

from fhir_server.core.errors import FhirError
from fhir_server.core.one_look import OneLook
from fhir_server.core.ports import Clock
from fhir_server.core.repeats import Repeats
from fhir_server.core.tasks import end
from fhir_server.security.audit.chain import ORIGIN, Verdict, chained, subjects_of
from fhir_server.security.audit.copies import Copies
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.log import AuditLog, no_place
from fhir_server.security.audit.shared_lookout import SharedLookout
from fhir_server.security.audit.shared_notes import SharedNotes
from fhir_server.security.encryption.sealing import Sealing

COPY_EVERY = 1.0  # seconds
TOGETHER = 100  # rows
PLACE = re.compile(r"([0-9a-f]{12})-([0-9]{1,15})\Z")

log = structlog.get_logger("audit")


class SharedAuditLog:
    """This machine's log beside the copies of all. machine: 12 hexadecimal digits; sealing: None where nothing is.

    acknowledged: whether an event is kept only once MongoDB has it; notes: those of the store, which are own's too.
    Reads block: they are for threads. FhirError "unavailable" where MongoDB can't be asked.
    """

    def __init__(
        self,
        own: AuditLog,
        machine: str,
        client: MongoClient[Any],
        name: str,
        sealing: Sealing | None,
        notes: SharedNotes,
        *,
        acknowledged: bool = False,
    ) -> None:
        self.own = own
        self._notes = notes
        self._acknowledged = acknowledged
        self._now = OneLook(lambda: asyncio.to_thread(self.copy))
        self._machine = machine
        self._client = client
        self._name = name
        self._copies = Copies(client, name, sealing)
        self._copied: int | None = None  # the number of the first event of the last row that was
        self._decode = msgspec.json.Decoder(Event).decode
        self._task: asyncio.Task[None] | None = None

    def lookout(self, clock: Clock) -> SharedLookout:
        """What raises alerts from the events of all machines."""
        return SharedLookout(self._client, self._name, self._copies, self._machine, clock)

    # ------------------------------------------------------------------ writing
    async def record(self, event: Event) -> None:
        """Returns once the event is durable here, and in MongoDB where that acknowledges; or "unavailable"."""
        await self.own.record(event)
        if self._acknowledged:
            await self._now()  # one copy takes what all that wait have recorded

    def note(self, events: Iterable[Event]) -> bytes:
        """What the store is to commit with what events tell of."""
        return self._notes.sealed(self.own.note(events))

    def start(self) -> None:
        """Begins to copy."""
        self._task = asyncio.create_task(self._copying())

    async def _copying(self) -> None:
        told_already = Repeats()
        while True:
            try:
                await asyncio.to_thread(self.copy)
            except FhirError as problem:
                if times := told_already.due(str(problem)):
                    log.warning("the audit log can't be copied to MongoDB now", problem=str(problem), times=times)
            await asyncio.sleep(COPY_EVERY)

    def copy(self) -> None:
        """Has all that is in this machine's log in MongoDB; what another process has copied meanwhile stays."""
        if self._copied is None:
            self._copied = self._copies.begin(self._machine)
        self.own.take_in()
        taken = self._notes.taken()
        rows = list(self.own.rows(self._copied))
        for begin in range(0, len(rows), TOGETHER):
            batch = rows[begin : begin + TOGETHER]
            self._copies.insert([self._copies.document(self._machine, *row) for row in batch])
            self._copied = batch[-1][0]
        self._notes.copied(taken)

    # ------------------------------------------------------------------ reading
    def page(self, after: str, subject: str = "", since: int = 0) -> Iterator[tuple[str, Event]]:
        """(place, event) of every machine's events, newest first; after a place, "" from the newest on. FhirError
        "value" where it is none."""
        where: dict[str, Any] = {"newest": {"$gte": since}, **({"subjects": subject} if subject else {})}
        if after and not PLACE.match(after):
            raise no_place()
        began = self.at(after) if after else None
        if after and began is None:
            return  # pruned, and with it what is older
        limit = (began.recorded, *_parts(after)) if began else None
        if limit:
            where["oldest"] = {"$lte": limit[0]}
        self.copy()
        for key, line in self._copies.merged(where):
            if limit is None or key < limit:
                event = self._decode(line)
                if not subject or subject in subjects_of(event):
                    yield f"{key[1]}-{key[2]}", event

    def at(self, place: str) -> Event | None:
        """The event at a place, None for none."""
        if not PLACE.match(place):
            return None
        machine, number = _parts(place)
        where = {"machine": machine, "first": {"$lte": number}}
        self.copy()
        row = next(self._copies.found(where, ("first", DESCENDING)), None)
        lines = row.lines if row else []
        return self._decode(lines[number - row.first]) if row and number - row.first < len(lines) else None

    # ------------------------------------------------------------------ verifying, keeping
    def verify(self, head: str = "") -> Verdict:
        """Makes every machine's hashes anew; head: of this machine's log, as the one that must be in it."""
        own = self.own.verify(head)
        if own.problem:
            return own
        self.copy()
        anchors = self._copies.anchors()
        chains: dict[str, tuple[int, bytes]] = {}
        seen = 0
        for row in self._copies.found({}, ("machine", 1), ("first", 1)):
            expected, hash = chains.get(row.machine) or anchors.get(row.machine, (1, ORIGIN))
            where = f"events {row.first} to {row.first + row.count - 1} of the machine {row.machine}"
            for line in row.lines:
                hash = chained(hash, line)
            if row.first != expected:
                return Verdict(seen, f"Something is missing before {where}, or they were put in.", own.head)
            if len(row.lines) != row.count or hash != row.hash:
                return Verdict(seen, f"The copies of {where} are not as they were written.", own.head)
            events = [self._decode(line) for line in row.lines]
            times = (events[0].recorded, events[-1].recorded)
            if (row.oldest, row.newest) != times or not subjects_of(*events) <= row.subjects:
                problem = f"The copies of {where} are not found any more by all that they are about."
                return Verdict(seen, problem, own.head)
            chains[row.machine] = row.first + row.count, hash
            seen += row.count
        copied = chains.get(self._machine, (1, ORIGIN))[1].hex()
        problem = "" if own.head == copied or not own.events else "This machine's newest events are not in MongoDB."
        return Verdict(seen, problem, own.head)

    def prune(self, before: int) -> int:
        """Removes rows of all machines whose newest event is older than a moment; gives how many events went."""
        self.own.prune(before)
        return self._copies.prune(before)

    async def stop(self) -> None:
        """Copies what is left, and closes; the log itself says where it can't."""
        await end(self._task)
        await self._now.close()
        try:
            await asyncio.to_thread(self.copy)
        except FhirError:
            log.warning("the audit log's newest events are not in MongoDB yet; the next start copies them")
        self.own.close()
        self.disconnect()

    def disconnect(self) -> None:
        """Closes the connections to MongoDB, and leaves this machine's log open."""
        self._client.close()


def _parts(place: str) -> tuple[str, int]:
    machine, _, number = place.rpartition("-")
    return machine, int(number)
