"""The notes that were committed with versions: numbered where they are written, for their machine to take them.

    notes   {_id, machine, origin, place, at, data, claimed}

Whoever takes notes knows by a place which of an origin it has; so they appear in the order of their places. A machine
claims its notes before it takes them, as it may die before they are removed. Those of a machine that is gone are
another's in the end, all that an origin has at once: soon where none was claimed, else once its disk is taken for lost.
"""

from __future__ import annotations

import secrets
import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pymongo import ASCENDING, MongoClient
from pymongo.read_concern import ReadConcern

from fhir_server.core.mongodb import answering
from fhir_server.core.ports import Clock, Note
from fhir_server.storage.mongo.database import MAJORITY, connect_in_threads

GONE = 60_000_000  # microseconds after which notes that nobody has claimed are another machine's,
LOST = 24 * 3600_000_000  # and those that were claimed: the machine would be back if its disk were there
LOOK_EVERY = 10_000_000  # microseconds between two looks for such notes
UNCLAIMED = {"claimed": {"$exists": False}}
IN_ORDER = [("origin", ASCENDING), ("place", ASCENDING)]


class Numbered(NamedTuple):
    """Notes of one commit as documents, and the origin that numbered them with its last place."""

    documents: list[dict[str, Any]]
    origin: int = 0
    place: int = 0


class Origins:
    """Those of one process. An origin numbers one commit at a time, so that its notes appear in order."""

    def __init__(self, machine: str) -> None:
        self._machine = machine
        self._free: list[tuple[int, int]] = []

    def numbered(self, notes: Sequence[bytes], moment: int) -> Numbered:
        """Takes an origin for these; moment: of their versions, in microseconds."""
        if not notes:
            return Numbered([])
        origin, before = self._free.pop() if self._free else (secrets.randbits(63), 0)
        documents = [
            {"machine": self._machine, "origin": origin, "place": place, "at": moment, "data": data}
            for place, data in enumerate(notes, before + 1)
        ]
        return Numbered(documents, origin, before + len(notes))

    def committed(self, numbered: Numbered) -> None:
        """Others may have its origin now; one whose commit failed numbers no more."""
        if numbered.documents:
            self._free.append((numbered.origin, numbered.place))


class MongoNotes:
    """The `Notes` port over those of one machine; it connects with the first use."""

    complete = False  # another machine may take over some

    def __init__(self, url: str, name: str, machine: str, clock: Clock) -> None:
        self._url = url
        self._name = name
        self._machine = machine
        self._clock = clock
        self._looked = 0
        self._opening = threading.Lock()
        self._client: MongoClient[Any] | None = None

    def _connected(self) -> MongoClient[Any]:
        with self._opening:
            if self._client is None:
                self._client = connect_in_threads(self._url)
            return self._client

    def _notes(self, client: MongoClient[Any]) -> Any:
        database = client.get_database(self._name, write_concern=MAJORITY, read_concern=ReadConcern("majority"))
        return database["notes"]

    def kept(self) -> list[Note]:
        """See the port; they are claimed."""
        client = self._connected()
        notes, mine = self._notes(client), {"machine": self._machine}
        with answering():
            self._take_over(notes)
            if notes.find_one(mine, {"_id": 1}) is None:
                return []
            notes.update_many({**mine, **UNCLAIMED}, {"$set": {"claimed": True}})
            with client.start_session(snapshot=True) as session:
                found = notes.find(mine, session=session).sort(IN_ORDER).to_list()
        later: set[int] = set()  # origins of which a note came too late to be claimed
        kept: list[Note] = []
        for each in found:
            if "claimed" not in each:
                later.add(each["origin"])
            if each["origin"] not in later:
                kept.append(Note(int(each["origin"]), int(each["place"]), bytes(each["data"])))
        return kept

    def remove(self, places: Mapping[int, int]) -> None:
        """See the port."""
        notes = self._notes(self._connected())
        with answering():
            for origin, place in places.items():
                notes.delete_many({"machine": self._machine, "origin": origin, "place": {"$lte": place}})

    def _take_over(self, notes: Any) -> None:
        """Makes those of machines that are gone this one's, of each origin from the first on."""
        now = self._clock()
        if self._looked <= now < self._looked + LOOK_EVERY:
            return
        self._looked = now
        others = {"machine": {"$ne": self._machine}}
        if notes.find_one({**others, "at": {"$lt": now - GONE}}, {"_id": 1}) is None:
            return
        by_origin: defaultdict[tuple[str, int], list[dict[str, Any]]] = defaultdict(list)
        for each in notes.find(others, {"data": 0}).sort(IN_ORDER):
            by_origin[each["machine"], each["origin"]].append(each)
        for found in by_origin.values():
            claimed = any("claimed" in each for each in found)
            if max(each["at"] for each in found) < now - (LOST if claimed else GONE):
                for each in found:
                    same = {"_id": each["_id"], "machine": each["machine"], **({} if claimed else UNCLAIMED)}
                    if not notes.update_one(same, {"$set": {"machine": self._machine, "claimed": True}}).matched_count:
                        break  # its machine is there, or another was quicker

    def close(self) -> None:
        """Closes the connections."""
        with self._opening:
            if self._client is not None:
                self._client.close()
                self._client = None
