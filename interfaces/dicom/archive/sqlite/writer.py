"""Writes to the index: one at a time, and one transaction with one flush for all that wait (group commit)."""

from __future__ import annotations

import fcntl
import threading
from collections import deque
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from interfaces.dicom.archive.index import Rows, Work
from interfaces.dicom.archive.sqlite.database import connect
from interfaces.dicom.archive.sqlite.rows import SqliteRows

T = TypeVar("T")
MOST_TOGETHER = 256
_Waiting = tuple[Work[Any], "Future[Any]", bool]


class Writer:
    """Runs work on the one writing connection of this process; other processes take their turns.

    Whoever finds nobody writing writes for all that wait by then: no thread has to be woken for a single writer.

    SQLite lets one process write at a time and has the others sleep and try again. Here they wait for a lock on a file
    beside the index, which the system gives to the next at once and frees when a process dies. What keeps the index
    whole is SQLite's own lock.
    """

    def __init__(self, path: Path, synchronous: str) -> None:
        self._connection = connect(path, synchronous)
        self._turn = open(f"{path}-turn", "ab")  # noqa: SIM115  as long as the connection
        self._rows: Rows = SqliteRows(self._connection)
        self._flushing = synchronous == "FULL"
        self._full = self._flushing
        self._waiting: deque[_Waiting] = deque()
        self._writing = threading.Lock()

    def submit(self, work: Work[T], *, durable: bool = True) -> Future[T]:
        """Runs work in a transaction; the future is done once that is on the disk.

        durable: False where what is written can be had again from the files after a power failure.
        """
        future: Future[T] = Future()
        self._waiting.append((work, future, durable))
        self._write_waiting()
        return future

    def run(self, work: Work[T], *, durable: bool = True) -> T:
        """submit, and its result."""
        if self._waiting or not self._writing.acquire(blocking=False):
            return self.submit(work, durable=durable).result()
        try:
            return self._alone(work, durable)
        finally:
            self._writing.release()
            self._write_waiting()

    def _write_waiting(self) -> None:
        while self._waiting and self._writing.acquire(blocking=False):
            try:
                group = self._next()
                if group:
                    self._commit(group)
            finally:
                self._writing.release()

    def close(self) -> None:
        """Waits for what is being written."""
        with self._writing:
            self._connection.close()
            self._turn.close()

    def _next(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        while len(group) < MOST_TOGETHER:
            try:
                group.append(self._waiting.popleft())
            except IndexError:
                break
        return group

    def _alone(self, work: Work[T], durable: bool) -> T:
        """One piece of work in a transaction of its own: its failure is the transaction's."""
        try:
            self._begin(durable)
            result = work(self._rows)
            self._connection.execute("COMMIT")
        except BaseException:
            self._undo()
            raise
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)
        return result

    def _begin(self, durable: bool) -> None:
        full = self._flushing and durable
        if full != self._full:
            self._connection.execute(f"PRAGMA synchronous={'FULL' if full else 'NORMAL'}")
            self._full = full
        fcntl.flock(self._turn, fcntl.LOCK_EX)
        self._connection.execute("BEGIN IMMEDIATE")

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _commit(self, group: list[_Waiting]) -> None:
        results: list[tuple[Future[Any], Any]] = []
        try:
            if len(group) == 1:
                work, future, durable = group[0]
                future.set_result(self._alone(work, durable))
                return
            self._begin(any(durable for _, _, durable in group))
            for work, future, _ in group:
                self._connection.execute("SAVEPOINT one")
                try:
                    results.append((future, work(self._rows)))
                    self._connection.execute("RELEASE one")
                except Exception as problem:
                    if not self._connection.in_transaction:  # a full disk may end it, with what others did
                        raise
                    self._connection.execute("ROLLBACK TO one")
                    self._connection.execute("RELEASE one")
                    future.set_exception(problem)
            self._connection.execute("COMMIT")
        except BaseException as problem:
            self._undo()
            for _, future, _ in group:
                if not future.done():
                    future.set_exception(problem)
            return
        finally:
            fcntl.flock(self._turn, fcntl.LOCK_UN)
        for future, result in results:
            future.set_result(result)
