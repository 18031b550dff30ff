"""The statements of one transaction: documents of change sets, each under the condition that it relies on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bson import ObjectId
from pymongo import DeleteOne, InsertOne, ReplaceOne, UpdateOne
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import BulkWriteError, DuplicateKeyError, OperationFailure, PyMongoError

from fhir_server.core.keys import StoredVersion
from fhir_server.storage.mongo.changeset import ChangeSet
from fhir_server.storage.mongo.database import Database
from fhir_server.storage.mongo.positions import VOID

DUPLICATE = 11000


class ConflictError(Exception):
    """Something that a work relied on has changed; it has to run again."""


class OutrunError(ConflictError):
    """What a work has found by criteria has got another version before the work read it; key: of that resource."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class TakenError(Exception):
    """A position was taken away; others are needed."""


class Writing:
    """The statements of one transaction; placed: which version has got which position."""

    def __init__(self, database: Database, session: AsyncClientSession, positions: range, mark: ObjectId) -> None:
        self._database = database
        self._session = session
        self._next = iter(positions)
        self.mark = mark
        self.placed: list[tuple[StoredVersion, int]] = []

    async def write(self, sets: Sequence[ChangeSet], notes: list[dict[str, Any]]) -> None:
        """Runs them, with notes to be kept; ConflictError, TakenError where the transaction can't be."""
        feed: list[dict[str, Any]] = []
        history: list[Any] = []
        criteria: list[Any] = []
        inserts: list[Any] = []
        changes: list[Any] = []
        voids: list[int] = []
        for one in sets:
            for statement in self._resources(one, feed, history):
                (inserts if isinstance(statement, InsertOne) else changes).append(statement)
            history += one.erasures
            for erasure in one.erasures.values():
                voids += erasure.positions
            criteria += self._criteria(one)
        changes += self._guards(sets)
        await self._feed(feed, voids)  # first: from here on no reader can take the positions away
        await self._bulk(self._database.criteria, criteria, 0)
        await self._bulk(self._database.resources, changes, len(changes))
        await self._bulk(self._database.resources, inserts, 0)
        await self._history(history)
        if notes:
            await self._database.notes.insert_many(notes, session=self._session)

    def _place(self, version: StoredVersion) -> tuple[int, dict[str, Any]]:
        seq = next(self._next)
        self.placed.append((version, seq))
        return seq, self._entry(seq, version.type, version.id, version.version, version.method, version.updated)

    def _entry(self, seq: int, type: str, id: str, version: int, method: str, updated: int) -> dict[str, Any]:
        return {"_id": seq, "t": type, "i": id, "v": version, "m": method, "u": updated, "c": self.mark}

    def _resources(self, one: ChangeSet, feed: list[dict[str, Any]], history: list[Any]) -> Iterator[Any]:
        for key, erasure in one.erasures.items():
            head = one.heads[key]
            assert head is not None
            feed.append(self._entry(next(self._next), erasure.type, erasure.id, 0, "ERASE", erasure.updated))
            if head.number:
                yield DeleteOne(head.unchanged(key))
        for key, versions in one.writes.items():
            head = one.heads.get(key)
            number = 0 if key in one.erasures or head is None else head.number
            seqs = []
            for pending in versions:
                seq, entry = self._place(pending.version)
                feed.append(entry)
                seqs.append(seq)
            moments = [pending.version.updated for pending in versions]
            if number and head is not None:
                history.append(head.older(key, moments[0]))
            history += [
                pending.older(key, seq, replaced)
                for pending, seq, replaced in zip(versions[:-1], seqs, moments[1:], strict=False)
            ]
            document = versions[-1].document(seqs[-1])
            if number and head is not None:
                yield ReplaceOne(head.unchanged(key), document)
            else:
                yield InsertOne({"_id": key, **document})
        for key, keys in one.reindexed.items():
            head = one.heads[key]
            assert head is not None and head.version is not None
            version = head.version
            feed.append(
                self._entry(next(self._next), version.type, version.id, version.version, "REINDEX", version.updated)
            )
            yield UpdateOne({"_id": key, "version": head.number}, {"$set": {"keys": keys, "guard": self.mark}})

    def _guards(self, sets: Sequence[ChangeSet]) -> list[UpdateOne]:
        """Several may rely on one version of a resource; whoever changes it is in conflict with all of them."""
        guards = {key: number for one in sets for key, number in one.guards.items() if key not in one.changed}
        return [
            UpdateOne({"_id": key, "version": number}, {"$set": {"guard": self.mark}}) for key, number in guards.items()
        ]

    def _criteria(self, one: ChangeSet) -> Iterator[Any]:
        for mark, seen in one.criteria.items():
            at = {"$currentDate": {"at": True}, "$set": {"mark": self.mark}}
            yield UpdateOne({"_id": mark, "mark": seen}, at, upsert=True)

    async def _feed(self, entries: list[dict[str, Any]], voids: list[int]) -> None:
        try:
            await self._database.feed.insert_many(entries, session=self._session)
        except BulkWriteError as problem:
            if error_code(problem) == DUPLICATE:
                raise TakenError from problem
            raise
        if voids:
            change = {"$set": {"m": VOID}, "$unset": {"t": 1, "i": 1, "v": 1, "u": 1, "c": 1}}
            await self._database.feed.update_many({"_id": {"$in": voids}}, change, session=self._session)

    async def _bulk(self, collection: Any, statements: list[Any], matched: int) -> None:
        if not statements:
            return
        try:
            done = await collection.bulk_write(statements, session=self._session)
        except (BulkWriteError, DuplicateKeyError) as problem:
            if error_code(problem) == DUPLICATE:
                raise ConflictError from problem
            raise
        if matched and done.matched_count + done.deleted_count != matched:
            raise ConflictError

    async def _history(self, items: list[Any]) -> None:
        erased = [item for item in items if isinstance(item, str)]
        if erased:
            await self._database.history.delete_many({"key": {"$in": erased}}, session=self._session)
        await self._bulk(self._database.history, [InsertOne(item) for item in items if isinstance(item, dict)], 0)


def error_code(problem: PyMongoError) -> int | None:
    """MongoDB's number of an error, of the first where there are several."""
    if isinstance(problem, BulkWriteError):
        errors = problem.details.get("writeErrors") or [{}]
        return errors[0].get("code")
    return problem.code if isinstance(problem, OperationFailure) else None
