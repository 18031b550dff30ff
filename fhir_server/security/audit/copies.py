"""Copies of the rows of audit logs in MongoDB, of every machine that is on it.

audit_rows     {_id: machine-first, machine, first, count, oldest, newest, events, hash, subjects}
audit_anchors  {_id: machine, next, hash}: where the chain begins once its old end was pruned
"""

from __future__ import annotations

import functools
import heapq
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from pymongo import ASCENDING, DESCENDING, IndexModel, MongoClient
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError
from pymongo.write_concern import WriteConcern

from fhir_server.core.errors import error
from fhir_server.core.mongodb import answering
from fhir_server.security.audit.chain import subjects_of
from fhir_server.security.audit.event import Event
from fhir_server.security.encryption.sealing import Sealing

DUPLICATE = 11000
asking = functools.partial(answering, "The store of the audit logs")
Place = tuple[int, str, int]  # when it was recorded, the machine, the number there


class Row(NamedTuple):
    """A copy; lines: its events, each as it was written."""

    machine: str
    first: int
    count: int
    oldest: int
    newest: int
    lines: list[bytes]
    hash: bytes
    subjects: frozenset[str]


def insert_new(collection: Collection[Any], documents: list[dict[str, Any]]) -> set[str]:
    """Inserts those whose _id is not there; their ids. The others stay as they are."""
    if not documents:
        return set()
    fresh = {each["_id"] for each in documents}
    try:
        collection.insert_many(documents, ordered=False)
    except BulkWriteError as problem:
        errors = (problem.details or {}).get("writeErrors", ())
        if any(each["code"] != DUPLICATE for each in errors):
            raise
        fresh -= {documents[each["index"]]["_id"] for each in errors}
    return fresh


class Copies:
    """Of one database; sealing: None where nothing is. FhirError "unavailable" where MongoDB can't be asked."""

    def __init__(self, client: MongoClient[Any], name: str, sealing: Sealing | None) -> None:
        database = client.get_database(name, write_concern=WriteConcern("majority"))
        self._rows, self._anchors = (database[f"audit_{name}"] for name in ("rows", "anchors"))
        self._sealing = sealing
        self._decode = msgspec.json.Decoder(Event).decode

    # ------------------------------------------------------------------ writing
    def begin(self, machine: str) -> int:
        """Makes indexes; the number of the first event of a machine's last row, 0 for none."""
        indexes = [[("newest", DESCENDING)], [("subjects", ASCENDING)], [("machine", ASCENDING), ("first", ASCENDING)]]
        with asking():
            self._rows.create_indexes([IndexModel(fields) for fields in indexes])
            last = self._last(machine)
        return int(last["first"]) if last is not None else 0

    def _last(self, machine: str) -> dict[str, Any] | None:
        """first and count of a machine's last row."""
        return self._rows.find_one({"machine": machine}, {"first": 1, "count": 1}, sort=[("first", DESCENDING)])

    def insert(self, documents: list[dict[str, Any]]) -> None:
        """Keeps rows; those that are there already stay as they are."""
        with asking():
            insert_new(self._rows, documents)

    def document(
        self, machine: str, first: int, count: int, oldest: int, newest: int, lines: list[bytes], hash: bytes
    ) -> dict[str, Any]:
        """A row as it is kept."""
        id, events = f"{machine}-{first}", b"\n".join(lines)
        subjects = sorted(subjects_of(*map(self._decode, lines)))
        return {
            "_id": id, "machine": machine, "first": first, "count": count, "oldest": oldest, "newest": newest,
            "events": self._sealing.seal(events, f"audit {id}") if self._sealing else events, "hash": hash,
            "subjects": subjects,
        }  # fmt: skip

    # ------------------------------------------------------------------ reading
    def found(self, where: dict[str, Any], *sort: tuple[str, int]) -> Iterator[Row]:
        """Rows in an order."""
        with asking():
            for each in self._rows.find(where).sort(list(sort)):
                yield Row(
                    each["machine"],
                    each["first"],
                    each["count"],
                    each["oldest"],
                    each["newest"],
                    self._lines(each),
                    bytes(each["hash"]),
                    frozenset(each["subjects"]),
                )

    def _lines(self, row: dict[str, Any]) -> list[bytes]:
        events = bytes(row["events"])
        if events[:1] == b"{" or events[:1] == b"[":
            return events.split(b"\n")
        if self._sealing is None:
            raise error("unavailable", "The audit log is sealed; name the file of its key by account_keys.")
        return self._sealing.open(events, f"audit {row['_id']}").split(b"\n")

    def merged(self, where: dict[str, Any]) -> Iterator[tuple[Place, bytes]]:
        """((recorded, machine, number), line) from the newest on: a row waits until none that is newer can follow."""
        waiting: list[tuple[_Newest, bytes]] = []
        for row in self.found(where, ("newest", DESCENDING)):
            while waiting and waiting[0][0].key[0] > row.newest:
                newest, line = heapq.heappop(waiting)
                yield newest.key, line
            for number, line in enumerate(row.lines, row.first):
                heapq.heappush(waiting, (_Newest((self._decode(line).recorded, row.machine, number)), line))
        while waiting:
            newest, line = heapq.heappop(waiting)
            yield newest.key, line

    def ends(self) -> dict[str, int]:
        """By machine: the number behind its last event, be that pruned or not."""
        ends = {machine: next for machine, (next, _) in self.anchors().items()}
        with asking():
            for machine in self._rows.distinct("machine"):
                last = self._last(machine)
                if last is not None:  # pruned meanwhile
                    ends[machine] = int(last["first"] + last["count"])
        return ends

    def anchors(self) -> dict[str, tuple[int, bytes]]:
        """By machine: the number and the hash that its chain begins with."""
        with asking():
            return {each["_id"]: (each["next"], bytes(each["hash"])) for each in self._anchors.find()}

    def prune(self, before: int) -> int:
        """Removes rows of all machines whose newest event is older than a moment; gives how many events went."""
        gone = 0
        with asking():
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
        return gone


class _Newest:
    """Orders a heap from the newest on."""

    __slots__ = ("key",)

    def __init__(self, key: tuple[int, str, int]) -> None:
        self.key = key

    def __lt__(self, other: _Newest) -> bool:
        return self.key > other.key
