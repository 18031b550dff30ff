"""One multi-document transaction: the changes of one or several works, or none of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import msgspec
import structlog
from bson import ObjectId
from pymongo import timeout as within
from pymongo.asynchronous.client_session import AsyncClientSession
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from fhir_server.core.errors import error
from fhir_server.storage.mongo.changeset import ChangeSet
from fhir_server.storage.mongo.content import Content, Moved
from fhir_server.storage.mongo.database import MAJORITY, Database
from fhir_server.storage.mongo.notes import Origins
from fhir_server.storage.mongo.positions import Positions
from fhir_server.storage.mongo.writing import ConflictError, TakenError, Writing, error_code

PATIENCE = 30.0  # seconds in which MongoDB must become able to commit
LONGEST_PAUSE = 1.0
LIFETIME = 45.0  # seconds; a transaction that fails after it has met MongoDB's limit, which is 60
LET_GO = 5.0  # seconds for making positions VOID
SKEW = 1_000_000  # microseconds that a version may be older than one that was committed meanwhile
WRITE_CONFLICT = 112

log = structlog.get_logger("commits")


class OvertakenError(ConflictError):
    """Works have taken their time from a clock that is behind, or have waited long; all that run first run again."""


class Flush:
    """Stores change sets. machine: whose notes are written; floor: the newest moment of the feed that this process has
    heard of."""

    def __init__(self, database: Database, positions: Positions, content: Content, machine: str) -> None:
        self._database = database
        self._positions = positions
        self._content = content
        self._origins = Origins(machine)
        self.floor = 0

    async def store(self, sets: Sequence[ChangeSet]) -> int:
        """All of them in one transaction; ConflictError where one relied on what is not so any more.

        Returns the last of their positions. Transient errors are tried again; PyMongoError after PATIENCE.
        """
        files = [(key, p.moved) for one in sets for key, ps in one.writes.items() for p in ps if p.moved]
        try:
            await self._keep(files)
            last = await self._persist(sets)
        except BaseException:
            await self._forget([moved.file for _, moved in files])
            raise
        await self._forget([file for one in sets for erasure in one.erasures.values() for file in erasure.files])
        return last

    async def _keep(self, files: Sequence[tuple[str, Moved]]) -> None:
        await asyncio.gather(*(self._content.keep(key, moved) for key, moved in files))

    async def _forget(self, files: Sequence[ObjectId]) -> None:
        if files:
            try:
                await self._content.forget(files)
            except PyMongoError as problem:
                log.warning("content stays behind", files=len(files), problem=type(problem).__name__)

    async def _persist(self, sets: Sequence[ChangeSet]) -> int:
        deadline = time.monotonic() + PATIENCE
        pause = 0.002
        while True:
            begun = time.monotonic()
            try:
                return await self._once(sets, deadline)
            except TakenError:
                if time.monotonic() > deadline:
                    raise error(
                        "unavailable", "The store is too slow now; try again.", headers={"Retry-After": "5"}
                    ) from None
            except PyMongoError as problem:
                if time.monotonic() - begun > LIFETIME:
                    raise error(
                        "too-large",
                        "This transaction takes longer than the store lets one take; nothing of it was stored. Split "
                        "it, or have the operator raise transactionLifetimeLimitSeconds.",
                    ) from problem
                if not _transient(problem) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _once(self, sets: Sequence[ChangeSet], deadline: float) -> int:
        count = sum(one.positions for one in sets)
        moments = [moment for one in sets for moment in one.moments]
        newest = max(moments, default=0)
        oldest = min((moment for one in sets if not one.again for moment in one.moments), default=0)
        if oldest and oldest < self.floor - SKEW:  # known without taking positions that nobody would use
            raise OvertakenError
        async with self._database.client.start_session(causal_consistency=False) as session:
            allocated = await self._positions.allocate(count, newest, session.session_id)
            positions = range(allocated.first, allocated.first + count)
            self.floor = max(self.floor, allocated.updated, allocated.closed)
            if moments and min(moments) < allocated.closed:
                await self._positions.void(positions)
                raise ConflictError
            if oldest and oldest < allocated.updated - SKEW:
                await self._positions.void(positions)
                raise OvertakenError
            notes = self._origins.numbered([note for one in sets for note in one.notes], newest)
            writing = Writing(self._database, session, positions, ObjectId())
            async with self._positions.beats.beating(positions):
                await session.start_transaction(read_concern=ReadConcern("snapshot"), write_concern=MAJORITY)
                try:
                    await writing.write(sets, notes.documents)
                except BaseException:
                    await self._abort(session, positions)
                    raise
                await self._commit(session, positions, writing.mark, deadline)
        self._origins.committed(notes)
        self.floor = max(self.floor, newest)
        for version, seq in writing.placed:
            msgspec.structs.force_setattr(version, "seq", seq)
        return positions[-1]

    async def _abort(self, session: AsyncClientSession, positions: range) -> None:
        try:
            await session.abort_transaction()
        except PyMongoError as problem:
            log.info("a transaction is left to end by itself", problem=type(problem).__name__)
        await self._let_go(positions)

    async def _let_go(self, positions: range) -> None:
        """Makes the positions VOID, so that readers of the feed need not wait; where that fails, a reader does it."""
        try:
            with within(LET_GO):
                await self._positions.void(positions)
        except PyMongoError as problem:
            log.info("positions are left to readers", problem=type(problem).__name__)

    async def _commit(self, session: AsyncClientSession, positions: range, mark: ObjectId, deadline: float) -> None:
        pause = 0.01
        while True:
            try:
                await session.commit_transaction()
                return
            except PyMongoError as problem:
                unknown = problem.has_error_label("UnknownTransactionCommitResult")
                if problem.has_error_label("TransientTransactionError") and not unknown:
                    await self._let_go(positions)
                    raise
                if not unknown or time.monotonic() > deadline - PATIENCE / 2:
                    break
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        if not await self._took_place(positions, mark, deadline):
            await self._let_go(positions)
            raise TakenError

    async def _took_place(self, positions: range, mark: ObjectId, deadline: float) -> bool:
        """Whether a commit took place that never answered; if not, it never will."""
        while True:
            try:
                with within(LET_GO):
                    await self._positions.void(positions[:1])
                entry = await self._database.feed.find_one({"_id": positions[0]})
                if entry is not None:
                    return entry.get("c") == mark
            except PyMongoError as problem:
                log.warning("whether a commit took place is not known yet", problem=type(problem).__name__)
            if time.monotonic() > deadline:
                raise error(
                    "unavailable",
                    "The store does not answer; whether this was stored is not known. Read before trying again.",
                    headers={"Retry-After": "10"},
                )
            await asyncio.sleep(LONGEST_PAUSE)


def _transient(problem: PyMongoError) -> bool:
    """Whether the whole transaction may be tried again (https://www.mongodb.com/docs/manual/core/transactions-in-applications/)."""
    return (
        problem.has_error_label("TransientTransactionError")
        or isinstance(problem, ConnectionFailure)
        or error_code(problem) == WRITE_CONFLICT
    )
