"""What a work may do: it reads what is committed and what it wrote itself, and gathers its changes.

Nothing is written while a work runs. What it read and relies on is kept in its change set, and the commit (commits.py)
takes place only where all of that is still so; otherwise the work is run again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import bson
from bson.raw_bson import RawBSONDocument

from fhir_server.codec.json import decode
from fhir_server.core.errors import AfterCommitError, error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.mongodb import answering
from fhir_server.core.ports import Clock, SearchIndex, Write
from fhir_server.core.query import Clause, Query
from fhir_server.core.values import REFERENCE, SearchValue
from fhir_server.storage.matching import matcher_of
from fhir_server.storage.mongo.changeset import ChangeSet, Erasure, Head, Pending
from fhir_server.storage.mongo.content import Content, split
from fhir_server.storage.mongo.database import Database
from fhir_server.storage.mongo.documents import version_of
from fhir_server.storage.mongo.keys import (
    MOST,
    Candidates,
    Identifies,
    bytes_of,
    candidates,
    keys_of,
    meeting_points,
    mentions,
)
from fhir_server.storage.mongo.looking import Looking
from fhir_server.storage.mongo.overlay import OwnReads
from fhir_server.storage.mongo.own_index import OwnIndex
from fhir_server.storage.mongo.reads import SHOWN, MongoReads
from fhir_server.storage.mongo.writing import OutrunError

MANY = 500  # candidates that are looked at one by one; where there are more, the index answers
AFTER_ALL = 2**62  # provisional positions of what is not committed yet start here

Extract = Callable[[dict[str, Any]], list[SearchValue]]


class Surroundings(NamedTuple):
    """What transactions work with.

    newest: the position of the newest committed version of a type; index: None where no index is there, so criteria
    must be found by their keys.
    """

    database: Database
    content: Content
    reads: MongoReads
    clock: Clock
    extract: Extract
    identifies: Identifies
    newest: Callable[[str], Awaitable[int]]
    looking: Looking
    index: SearchIndex | None


class MongoTransaction:
    """The `Transaction` port for one run of one work.

    careful: looks also where a new resource is expected, and whether others have asked for the same criteria.
    """

    def __init__(self, around: Surroundings, floor: int, careful: bool) -> None:
        self.changes = ChangeSet()
        self.reads = OwnReads(around.reads, self.changes)
        self.index = OwnIndex(self, around.index)
        self._around = around
        self._floor = floor
        self._careful = careful
        self._next = AFTER_ALL
        self._values: dict[str, Sequence[SearchValue]] = {}
        self._newest: dict[str, int] = {}
        self._matched: dict[str, int] = {}  # the versions of what criteria have found

    def now(self) -> int:
        """The moment of the next version: now in milliseconds, and never before the feed's newest that is known."""
        self._floor = max(self._around.clock() // 1000 * 1000, self._floor)
        return self._floor

    async def read(self, type: str, id: str) -> StoredVersion | None:
        """The newest version, a deletion too."""
        key = f"{type}/{id}"
        own = self.changes.writes.get(key)
        if own:
            return own[-1].version
        if key in self.changes.erasures:
            return None
        head = await self._head(key)
        if head.version is not None and not head.version.deleted:
            self.changes.guards[key] = head.number
        return head.version

    async def prefetch(self, keys: Iterable[tuple[str, str]]) -> None:
        """Reads these by one query; each is then as if it had been read by itself."""
        wanted = {f"{type}/{id}" for type, id in keys} - self.changes.heads.keys()
        with answering():
            documents = await self._around.database.raw_resources.find({"_id": {"$in": sorted(wanted)}}).to_list()
        for document in documents:
            await self._know(document["_id"], document)
        for key in wanted - self.changes.heads.keys():
            await self._know(key, None)

    async def _head(self, key: str) -> Head:
        head = self.changes.heads.get(key)
        if head is None:
            head = await self._know(key, await self._around.looking.heads(key))
        return head

    async def _know(self, key: str, document: RawBSONDocument | None) -> Head:
        with answering():
            head = Head(document, await self._version(document) if document else None)
        self.changes.heads[key] = head
        if head.version is not None:
            self._floor = max(self._floor, head.version.updated)
        return head

    async def _version(self, document: RawBSONDocument) -> StoredVersion:
        decoded = bson.decode(document.raw)
        return version_of(decoded, await self._around.content.body(decoded))

    async def newest(self, type: str) -> int:
        """The position of the newest version of a type."""
        for versions in reversed(self.changes.writes.values()):
            if versions[-1].version.type == type:
                return versions[-1].version.seq
        found = self._newest.get(type)
        if found is None:
            found = self._newest[type] = await self._around.newest(type)
        return found

    # ------------------------------------------------------------------ writing
    async def put(self, write: Write) -> StoredVersion:
        """Adds a version to what will be stored."""
        type, id, number, updated, method, body, values, _ = write
        key = f"{type}/{id}"
        newest = await self._number(key, number)
        if number != newest + 1:
            if self._matched.get(key) == number - 1:
                raise OutrunError(key)
            raise error("conflict", f"{type}/{id} is at version {newest}; version {number} can't follow it.")
        version = StoredVersion(type, id, number, self._next, updated, method, body)
        keys = keys_of(type, body, values, self._around.identifies)
        parts = split(body, bytes_of(keys))
        own = sorted(mentions(body))
        self.changes.writes.setdefault(key, []).append(Pending(version, parts.fields, keys, own, parts.moved))
        self.changes.guards.pop(key, None)
        self.changes.reindexed.pop(key, None)
        self._values[key] = values
        self._next += 1
        self._floor = max(self._floor, updated)
        return version

    async def _number(self, key: str, asked: int) -> int:
        own = self.changes.writes.get(key)
        if own:
            return own[-1].version.version
        if key in self.changes.erasures:
            return 0
        if asked == 1 and not self._careful and key not in self.changes.heads:
            self.changes.heads[key] = Head(None, None)  # a new id; the commit finds out
        return (await self._head(key)).number

    async def reindex(self, type: str, id: str, values: Sequence[SearchValue]) -> None:
        """Gives a current resource new keys; the feed tells the index to look at it again."""
        key = f"{type}/{id}"
        own = self.changes.writes.get(key)
        self._values[key] = values
        if own:
            last = own[-1]
            last.keys = keys_of(type, last.version.body, values, self._around.identifies)
            return
        head = await self._head(key)
        if head.version is not None and not head.version.deleted:
            self.changes.guards.pop(key, None)
            self.changes.reindexed[key] = keys_of(type, head.version.body, values, self._around.identifies)

    async def erase(self, type: str, id: str) -> int:
        """Removes every version; what this work itself wrote of it before goes too."""
        key = f"{type}/{id}"
        own = len(self.changes.writes.pop(key, ()))
        head = await self._head(key)
        with answering():
            query = self._around.database.history.find({"key": key}, {"seq": 1, "content.file": 1})
            older = await query.to_list()
        if head.version is None and not older:
            return own
        documents = [*older, *([bson.decode(head.document.raw)] if head.document else [])]
        self.changes.guards.pop(key, None)
        self.changes.erasures[key] = Erasure(
            type,
            id,
            self.now(),
            [int(document["seq"]) for document in documents],
            [document["content"]["file"] for document in documents if "content" in document],
        )
        return own + len(documents)

    def note(self, data: bytes) -> None:
        """Commits bytes with what the work writes."""
        self.changes.notes.append(data)

    # ------------------------------------------------------------------ asking
    async def matches(self, type: str, where: Clause, limit: int = 2) -> list[StoredVersion]:
        """Up to limit current resources for which the clause holds.

        Where there is none, none may come before the commit from anybody who asks for the same. Nobody is expected to
        have asked before: a mark that is not there at the commit was not there since before this look, as marks stay
        for a day. Where that is wrong the work runs again, and then reads the mark before it looks.
        """
        found = await self.current(type, where, limit)
        if found:
            return found
        points = meeting_points(type, where, self._around.identifies) or {f"{type}?{where!r}"}
        marks = {hashlib.sha256(point.encode()).hexdigest() for point in points}
        if not self._careful:
            self.changes.criteria |= dict.fromkeys(marks - self.changes.criteria.keys())
            return found
        for mark in marks - self.changes.criteria.keys():
            with answering():
                entry = await self._around.database.criteria.find_one({"_id": mark})
            self.changes.criteria[mark] = entry["mark"] if entry else None
        return await self.current(type, where, limit)

    async def matches_each(self, asked: Sequence[tuple[str, Clause]]) -> list[list[StoredVersion]]:
        """The same for each; one after the other, as each has to leave its mark."""
        return [await self.matches(type, where) for type, where in asked]

    async def current(self, type: str, where: Clause, limit: int) -> list[StoredVersion]:
        """Up to limit current resources for which the clause holds now, oldest version first."""
        found = await self.by_keys(type, where, limit)
        if found is None:
            if self._around.index is None:
                raise error("unavailable", "These criteria need the search index, which is not set up.")
            if self.own(type):
                raise AfterCommitError
            found = (await self._around.index.search(Query((type,), where, count=limit))).matches
        self._matched |= {f"{type}/{version.id}": version.version for version in found}
        return found

    def own(self, type: str) -> list[str]:
        """Keys of the resources of a type, "" for any, that this work has written or erased."""
        start = f"{type}/" if type else ""
        return [key for key in (*self.changes.writes, *self.changes.erasures) if key.startswith(start)]

    async def by_keys(self, type: str, where: Clause, limit: int) -> list[StoredVersion] | None:
        """The same by keys and this work's own writes; None where that takes the index."""
        matcher = matcher_of(where)
        near = candidates(type, where, self._around.identifies)
        if matcher is None or near is None or near.size > MOST:
            return None
        own = set(self.own(type))
        pending = [versions[-1].version for key, versions in self.changes.writes.items() if key in own]
        found = [
            version
            for version in pending
            if not version.deleted and matcher(version, self._values[f"{type}/{version.id}"])
        ]
        choices: list[dict[str, Any]] = []
        if near.keys:
            choices.append({"keys": _any_of(near.keys), "type": type})
        if near.ids:
            choices.append({"_id": _any_of(f"{type}/{id}" for id in near.ids)})
        if not choices:
            return found[:limit]
        documents = await self._documents(type, near, choices)
        if documents is None:
            return None
        for document in sorted(documents, key=lambda document: document["seq"]):
            if document["_id"] not in own and "resource" in document:
                version = await self._around.reads.version(document)
                if matcher(version, self._around.extract(decode(version.body))):
                    found.append(version)
        return found[:limit]

    async def _documents(
        self, type: str, near: Candidates, choices: list[dict[str, Any]]
    ) -> Sequence[Mapping[str, Any]] | None:
        """What is stored of the candidates, None for more than MANY."""
        few = await self._around.looking.near((type, near.identifying)) if near.identifying else None
        if few is not None:
            return few
        where_near = choices[0] if len(choices) == 1 else {"$or": choices}
        with answering():
            documents = await self._around.database.resources.find(where_near, SHOWN).limit(MANY + 1).to_list()
        return documents if len(documents) <= MANY else None

    async def referring(self, type: str, id: str, limit: int = 1) -> list[tuple[str, str]]:
        """Current resources that refer to this one by an element that a search parameter reads."""
        key = f"{type}/{id}"
        found = [
            (pending[-1].version.type, pending[-1].version.id)
            for other, pending in self.changes.writes.items()
            if other != key
            and not pending[-1].version.deleted
            and any(value[0] == REFERENCE and value[2:] == (type, id, "") for value in self._values[other])
        ]
        with answering():
            async for document in self._around.database.resources.find({"keys": key}, SHOWN):
                if len(found) >= limit:
                    break
                name = document["_id"]
                if name == key or name in self.changes.writes or name in self.changes.erasures:
                    continue
                version = await self._around.reads.version(document)
                if any(
                    value[0] == REFERENCE and value[2:] == (type, id, "")
                    for value in self._around.extract(decode(version.body))
                ):
                    found.append((version.type, version.id))
        return found[:limit]


def _any_of(keys: Iterable[str]) -> Any:
    """The condition that one of these is there: plain equality where there is one, which every planner knows."""
    found = sorted(keys)
    return found[0] if len(found) == 1 else {"$in": found}
