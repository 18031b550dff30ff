"""Writes to the index: one thread, and one transaction with one flush for all that wait (group commit)."""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from interfaces.dicom.archive.database import connect

T = TypeVar("T")
MOST_TOGETHER = 256
_Work = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]


class Writer:
    """Runs work on the one writing connection of this process; other processes take their turns."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self._connection = connect(path, synchronous)
        self._queue: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="dicom-index", daemon=True)
        self._thread.start()

    def submit(self, work: Callable[[sqlite3.Connection], T]) -> Future[T]:
        """Runs work in a transaction; the future is done once that is on the disk."""
        future: Future[T] = Future()
        self._queue.put((work, future))
        return future

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """submit, and its result."""
        return self.submit(work).result()

    def close(self) -> None:
        """Finishes what waits."""
        self._queue.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            group, last = [first], False
            while len(group) < MOST_TOGETHER and not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    last = True
                    break
                group.append(following)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Work]) -> None:
        results: list[tuple[Future[Any], Any]] = []
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            for work, future in group:
                self._connection.execute("SAVEPOINT one")
                try:
                    results.append((future, work(self._connection)))
                    self._connection.execute("RELEASE one")
                except Exception as problem:
                    self._connection.execute("ROLLBACK TO one")
                    self._connection.execute("RELEASE one")
                    future.set_exception(problem)
            self._connection.execute("COMMIT")
        except BaseException as problem:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            for _, future in group:
                if not future.done():
                    future.set_exception(problem)
            return
        for future, result in results:
            future.set_result(result)
