"""The audit logs of all machines on one MongoDB: each has its own chain, and copies its rows there.

An event is durable in its machine's own log before an answer goes out (log.py), and in MongoDB within COPY_EVERY, so a
machine that is lost takes a second of its events along at most; or it is in MongoDB before the answer goes out, for
machines whose disk goes with them. Searches and reads are answered from the copies, once
this machine's own are there. Rows are never changed, so every machine's chain can be verified by any.

    audit_rows     {_id: machine-first, machine, first, count, oldest, newest, events, hash, subjects}
    audit_anchors  {_id: machine, next, hash}: where the chain begins once its old end was pruned
"""

from __future__ import annotations

import asyncio
import heapq
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
import structlog
from pymongo import DESCENDING, IndexModel, MongoClient
from pymongo.errors import BulkWriteError, PyMongoError
from pymongo.write_concern import WriteConcern

from fhir_server.core.errors import FhirError, error
from fhir_server.core.shared import Shared
from fhir_server.core.tasks import end
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.log import ORIGIN, AuditLog, Verdict, chained, subjects_of
from fhir_server.security.encryption.sealing import Sealing

COPY_EVERY = 1.0  # seconds
TOGETHER = 100  # rows
PLACE = re.compile(r"([0-9a-f]{12})-([0-9]{1,15})\Z")
DUPLICATE = 11000

log = structlog.get_logger("audit")


class _Row(NamedTuple):
    """A copy; lines: its events, each as it was written."""

    machine: str
    first: int
    count: int
    newest: int
    lines: list[bytes]
    hash: bytes


class SharedAuditLog:
    """This machine's log beside the copies of all. machine: 12 hexadecimal digits; sealing: None where nothing is.

    acknowledged: whether an event is kept only once MongoDB has it.
    Reads block: they are for threads. FhirError "unavailable" where MongoDB can't be asked.
    """

    def __init__(
        self,
        own: AuditLog,
        machine: str,
        client: MongoClient[Any],
        name: str,
        sealing: Sealing | None,
        *,
        acknowledged: bool = False,
    ) -> None:
        self.own = own
        self._acknowledged = acknowledged
        self._now = Shared(lambda: asyncio.to_thread(self.copy))
        self._machine = machine
        self._client = client
        database = client.get_database(name, write_concern=WriteConcern("majority"))
        self._rows, self._anchors = database["audit_rows"], database["audit_anchors"]
        self._sealing = sealing
        self._copied: int | None = None  # the number of the first event of the last row that was
        self._decode = msgspec.json.Decoder(Event).decode
        self._task: asyncio.Task[None] | None = None

    # ------------------------------------------------------------------ writing
    async def record(self, event: Event) -> None:
        """Returns once the event is durable here, and in MongoDB where that acknowledges; or "unavailable"."""
        await self.own.record(event)
        if self._acknowledged:
            await self._now()  # one copy takes what all that wait have recorded

    def start(self) -> None:
        """Begins to copy."""
        self._task = asyncio.create_task(self._copying())

    async def _copying(self) -> None:
        away = False
        while True:
            try:
                await asyncio.to_thread(self.copy)
                away = False
            except FhirError:
                if not away:
                    log.warning("the audit log can't be copied to MongoDB now")
                away = True
            await asyncio.sleep(COPY_EVERY)

    def copy(self) -> None:
        """Has all that is in this machine's log in MongoDB; what another process has copied meanwhile stays."""
        try:
            if self._copied is None:
                self._copied = self._begin()
            rows = list(self.own.rows(self._copied))
            for begin in range(0, len(rows), TOGETHER):
                batch = rows[begin : begin + TOGETHER]
                self._insert([self._document(*row) for row in batch])
                self._copied = batch[-1][0]
        except PyMongoError as problem:
            raise _away() from problem

    def _begin(self) -> int:
        self._rows.create_indexes(
            [IndexModel([("newest", DESCENDING)]), IndexModel("subjects"), IndexModel([("machine", 1), ("first", 1)])]
        )
        last = self._rows.find_one({"machine": self._machine}, {"first": 1}, sort=[("first", DESCENDING)])
        return int(last["first"]) if last else 0

    def _insert(self, documents: list[dict[str, Any]]) -> None:
        try:
            self._rows.insert_many(documents, ordered=False)
        except BulkWriteError as problem:
            if any(each["code"] != DUPLICATE for each in (problem.details or {}).get("writeErrors", ())):
                raise

    def _document(self, first: int, count: int, oldest: int, newest: int, lines: list[bytes], hash: bytes) -> Any:
        id, events = f"{self._machine}-{first}", b"\n".join(lines)
        subjects = sorted({subject for line in lines for subject in subjects_of(self._decode(line))})
        return {
            "_id": id, "machine": self._machine, "first": first, "count": count, "oldest": oldest, "newest": newest,
            "events": self._sealing.seal(events, f"audit {id}") if self._sealing else events, "hash": hash,
            "subjects": subjects,
        }  # fmt: skip

    # ------------------------------------------------------------------ reading
    def _found(self, where: dict[str, Any], *sort: tuple[str, int]) -> Iterator[_Row]:
        self.copy()
        try:
            for each in self._rows.find(where).sort(list(sort)):
                yield _Row(
                    each["machine"],
                    each["first"],
                    each["count"],
                    each["newest"],
                    self._lines(each),
                    bytes(each["hash"]),
                )
        except PyMongoError as problem:
            raise _away() from problem

    def _lines(self, row: dict[str, Any]) -> list[bytes]:
        events = bytes(row["events"])
        if events[:1] == b"{" or events[:1] == b"[":
            return events.split(b"\n")
        if self._sealing is None:
            raise error("unavailable", "The audit log is sealed; name the file of its key by account_keys.")
        return self._sealing.open(events, f"audit {row['_id']}").split(b"\n")

    def page(self, after: str, subject: str = "", since: int = 0) -> Iterator[tuple[str, Event]]:
        """(place, event) of every machine's events, newest first; after a place, "" from the newest on."""
        where: dict[str, Any] = {"newest": {"$gte": since}, **({"subjects": subject} if subject else {})}
        began = self.at(after) if after else None
        limit = (began.recorded, *_parts(after)) if began else None
        if limit:
            where["oldest"] = {"$lte": limit[0]}
        for key, line in self._merged(where):
            if limit is None or key < limit:
                event = self._decode(line)
                if not subject or subject in subjects_of(event):
                    yield f"{key[1]}-{key[2]}", event

    def _merged(self, where: dict[str, Any]) -> Iterator[tuple[tuple[int, str, int], bytes]]:
        """((recorded, machine, number), line) from the newest on: a row waits until none that is newer can follow."""
        waiting: list[tuple[_Newest, bytes]] = []
        for row in self._found(where, ("newest", DESCENDING)):
            while waiting and waiting[0][0].key[0] > row.newest:
                newest, line = heapq.heappop(waiting)
                yield newest.key, line
            for number, line in enumerate(row.lines, row.first):
                heapq.heappush(waiting, (_Newest((self._decode(line).recorded, row.machine, number)), line))
        while waiting:
            newest, line = heapq.heappop(waiting)
            yield newest.key, line

    def at(self, place: str) -> Event | None:
        """The event at a place, None for none."""
        if not PLACE.match(place):
            return None
        machine, number = _parts(place)
        where = {"machine": machine, "first": {"$lte": number}}
        row = next(self._found(where, ("first", DESCENDING)), None)
        lines = row.lines if row else []
        return self._decode(lines[number - row.first]) if row and number - row.first < len(lines) else None

    # ------------------------------------------------------------------ verifying, keeping
    def verify(self) -> Verdict:
        """Makes every machine's hashes anew; head: of this machine's log."""
        own = self.own.verify()
        if own.problem:
            return own
        try:
            anchors = {each["_id"]: (each["next"], bytes(each["hash"])) for each in self._anchors.find()}
        except PyMongoError as problem:
            raise _away() from problem
        chains: dict[str, tuple[int, bytes]] = {}
        seen = 0
        for row in self._found({}, ("machine", 1), ("first", 1)):
            expected, hash = chains.get(row.machine) or anchors.get(row.machine, (1, ORIGIN))
            where = f"events {row.first} to {row.first + row.count - 1} of the machine {row.machine}"
            for line in row.lines:
                hash = chained(hash, line)
            if row.first != expected:
                return Verdict(seen, f"Something is missing before {where}, or they were put in.", own.head)
            if len(row.lines) != row.count or hash != row.hash:
                return Verdict(seen, f"The copies of {where} are not as they were written.", own.head)
            chains[row.machine] = row.first + row.count, hash
            seen += row.count
        copied = chains.get(self._machine, (1, ORIGIN))[1].hex()
        problem = "" if own.head == copied or not own.events else "This machine's newest events are not in MongoDB."
        return Verdict(seen, problem, own.head)

    def prune(self, before: int) -> int:
        """Removes rows of all machines whose newest event is older than a moment; gives how many events went."""
        self.own.prune(before)
        gone = 0
        try:
            for machine in self._rows.distinct("machine"):
                kept = self._rows.find_one({"machine": machine, "newest": {"$gte": before}}, sort=[("first", 1)])
                old: dict[str, Any] = {"machine": machine, **({"first": {"$lt": kept["first"]}} if kept else {})}
                last = self._rows.find_one(old, sort=[("first", DESCENDING)])
                if last is None:
                    continue
                anchor = {"next": last["first"] + last["count"], "hash": last["hash"]}
                self._anchors.replace_one({"_id": machine}, anchor, upsert=True)
                old["first"] = {"$lte": last["first"]}
                gone += sum(each["count"] for each in self._rows.find(old, {"count": 1}))
                self._rows.delete_many(old)
        except PyMongoError as problem:
            raise _away() from problem
        return gone

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


class _Newest:
    """Orders a heap from the newest on."""

    __slots__ = ("key",)

    def __init__(self, key: tuple[int, str, int]) -> None:
        self.key = key

    def __lt__(self, other: _Newest) -> bool:
        return self.key > other.key


def _parts(place: str) -> tuple[str, int]:
    machine, _, number = place.rpartition("-")
    return machine, int(number)


def _away() -> FhirError:
    return error("unavailable", "The audit logs can't be read now; try again.", headers={"Retry-After": "5"})
