"""One writer with group commit: works that wait together share one transaction, and so one flush to disk.

Works run on the event loop's thread (a hop to another for each of their questions would cost more than SQLite does);
what they have put is written and committed on the thread for the disk. While a group is being committed the next one
gathers.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from fhir_server.core.ports import Clock, SearchIndex
from fhir_server.storage.sqlite.database import file_size, log_size
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.failures import storage_error
from fhir_server.storage.sqlite.transaction import SqliteTransaction
from fhir_server.storage.sqlite.turns import Turns

T = TypeVar("T")
IndexOf = Callable[[sqlite3.Connection, Dictionaries], SearchIndex]
Work = Callable[[SqliteTransaction], Awaitable[Any]]

GROUP_LIMIT = 128  # works in one commit
LOOKED_EVERY = 16  # commits between two looks at the size of the log
LOCK_PATIENCE = 30.0  # seconds to wait for another process's transaction
LOG_LIMITS = 64 * 2**20, 256 * 2**20  # bytes of write-ahead log after which it is copied into the file: as much as that
# has, but within these. The same pages come again and again in a log and each is copied once, so a long one costs less.


class Writer:
    """Runs works one after the other in shared transactions."""

    def __init__(self, path: Path, connection: sqlite3.Connection, index_of: IndexOf, clock: Clock) -> None:
        self._path = path
        self._connection = connection
        self._known = Dictionaries(connection)
        self._disk = ThreadPoolExecutor(1, "disk")
        self._turns = Turns(path)
        index = index_of(connection, self._known)
        self._transaction = SqliteTransaction(connection, self._known, index, clock, self._disk)
        self._waiting: deque[tuple[Work, asyncio.Future]] = deque()
        self._running: asyncio.Task | None = None
        self._checkpointing: asyncio.Future | None = None
        self._groups = 0

    async def run(self, work: Callable[[SqliteTransaction], Awaitable[T]]) -> T:
        """Runs work in a transaction; returns its result once that is on disk. Its exception undoes it alone."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append((work, done))
        if self._running is None:
            self._running = loop.create_task(self._drain())
        return await done

    async def _drain(self) -> None:
        try:
            while self._waiting:
                try:
                    await self._group()
                finally:
                    self._turns.end()
        finally:
            self._running = None

    async def _group(self) -> None:
        try:
            await self._begin()
        except sqlite3.Error as problem:
            self._fail_waiting(problem)
            return
        finished: list[tuple[asyncio.Future, Any]] = []
        transaction = self._transaction
        try:
            while self._waiting and len(finished) < GROUP_LIMIT:
                work, done = self._waiting.popleft()
                if done.cancelled():
                    continue
                transaction.start()
                try:
                    result = await work(transaction)
                    transaction.finish()
                    finished.append((done, result))
                except BaseException as problem:
                    if isinstance(problem, sqlite3.Error) and not self._connection.in_transaction:
                        finished.append((done, problem))
                        raise
                    transaction.undo()
                    if not done.cancelled():
                        done.set_exception(self._outward(problem))
                    if isinstance(problem, asyncio.CancelledError):
                        raise
            transaction.close_group()
            await asyncio.get_running_loop().run_in_executor(self._disk, self._commit)
        except sqlite3.Error as problem:
            self._give_up()
            for done, _ in finished:
                if not done.done():
                    done.set_exception(self._outward(problem))
            return
        self._known.settle()
        for done, result in finished:
            if not done.done():
                done.set_result(result)
        await self._keep_log_short()

    async def _begin(self) -> None:
        deadline = asyncio.get_running_loop().time() + LOCK_PATIENCE
        pause = 0.0005
        await self._turns.begin(LOCK_PATIENCE)
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                break
            except sqlite3.OperationalError as problem:
                if problem.sqlite_errorname != "SQLITE_BUSY" or asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 0.01)
        self._transaction.open_group()

    def _commit(self) -> None:
        self._transaction.commit()
        self._turns.end()  # at once: the next process must not wait for this one's event loop

    def _give_up(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._known.clear()

    def _fail_waiting(self, problem: sqlite3.Error) -> None:
        while self._waiting:
            _, done = self._waiting.popleft()
            if not done.done():
                done.set_exception(self._outward(problem))

    @staticmethod
    def _outward(problem: BaseException) -> BaseException:
        if not isinstance(problem, sqlite3.Error):
            return problem
        try:
            return storage_error(problem)
        except sqlite3.Error as unknown:
            return unknown

    async def _keep_log_short(self) -> None:
        """Copies the log into the file: most of it beside the writing, the rest while nobody writes."""
        if self._checkpointing is not None:
            if self._checkpointing.done():
                self._checkpointing = None
                await asyncio.get_running_loop().run_in_executor(self._disk, checkpoint, self._connection)
            return
        self._groups += 1
        if self._groups % LOOKED_EVERY:
            return
        if log_size(self._path) > min(max(LOG_LIMITS[0], file_size(self._path)), LOG_LIMITS[1]):
            self._checkpointing = asyncio.get_running_loop().run_in_executor(None, checkpoint_beside, self._path)

    async def close(self) -> None:
        """Finishes what waits, copies the log into the file and closes."""
        if self._running is not None:
            await self._running
        if self._checkpointing is not None:
            await self._checkpointing
        self._disk.shutdown()
        await self._transaction.index.close()
        checkpoint(self._connection)
        self._connection.close()
        self._turns.close()


def checkpoint(connection: sqlite3.Connection) -> None:
    """Copies the log into the file as far as readers and the room on the disk allow; what is left stays in the log."""
    with contextlib.suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()


def checkpoint_beside(path: Path) -> None:
    """Does that on a connection of its own, while others write."""
    with (
        contextlib.suppress(sqlite3.OperationalError),  # another worker does it at this moment
        contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as connection,
    ):
        connection.execute("PRAGMA synchronous = FULL")
        checkpoint(connection)
