"""One writer with group commit: works that wait together share one transaction, and so one flush to disk.

Works run on the event loop's thread (a hop to another for each of their questions would cost more than SQLite does);
what they have put is written and committed on the thread for the disk. While a group is being committed the next one
gathers.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from fhir_server.core.ports import Clock, SearchIndex
from fhir_server.core.side_thread import SideThread
from fhir_server.storage.sqlite import write_ahead_log
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.failures import storage_error
from fhir_server.storage.sqlite.transaction import SqliteTransaction
from fhir_server.storage.sqlite.turns import Turns

T = TypeVar("T")
IndexOf = Callable[[sqlite3.Connection, Dictionaries], SearchIndex]
Work = Callable[[SqliteTransaction], Awaitable[Any]]

GROUP_LIMIT = 128  # works in one commit
LOOKED_EVERY = 16  # commits between two looks at the length of the log
LOCK_PATIENCE = 30.0  # seconds to wait for another process's transaction


class Writer:
    """Runs works one after the other in shared transactions."""

    def __init__(self, path: Path, connection: sqlite3.Connection, index_of: IndexOf, clock: Clock) -> None:
        self._path = path
        self._connection = connection
        self._known = Dictionaries(connection)
        self._disk = SideThread("disk")
        self._turns = Turns(path)
        index = index_of(connection, self._known)
        self._transaction = SqliteTransaction(connection, self._known, index, clock, self._disk)
        self._waiting: deque[tuple[Work, asyncio.Future]] = deque()
        self._running: asyncio.Task | None = None
        self._copying: asyncio.Future | None = None  # of the log
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
            await self._disk.run(self._commit)
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
        self._look_at_log()

    async def _begin(self) -> None:
        deadline = asyncio.get_running_loop().time() + LOCK_PATIENCE
        pause = 0.0005
        await self._turns.begin(LOCK_PATIENCE)
        if self._copying is not None and self._copying.done():  # the rest while nobody writes, so that it begins anew
            self._copying = None
            await self._disk.run(write_ahead_log.copy, self._connection)
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

    def _look_at_log(self) -> None:
        """Has the log copied into the file, where it is long, beside the writing; the rest is copied at a turn."""
        self._groups += 1
        if self._groups % LOOKED_EVERY == 0 and self._copying is None and write_ahead_log.is_long(self._path):
            loop = asyncio.get_running_loop()
            self._copying = loop.run_in_executor(None, write_ahead_log.copy_beside, self._path)

    async def close(self) -> None:
        """Finishes what waits, copies the log into the file and closes."""
        if self._running is not None:
            await self._running
        if self._copying is not None:
            await self._copying
        self._disk.close()
        await self._transaction.index.close()
        write_ahead_log.copy(self._connection)
        self._connection.close()
        self._turns.close()
