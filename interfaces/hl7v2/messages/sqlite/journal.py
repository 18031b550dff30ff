"""One thread that writes: what waits together is one transaction, and so one flush to the disk.

Work that must be durable before anybody hears of it is flushed (synchronous FULL); a group of other work only is
written to the log without waiting for the disk, where it is safe from the end of the process, if not of the power.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from fhir_server.core.errors import FhirError, error
from fhir_server.core.write_ahead import use_write_ahead_log

T = TypeVar("T")

GROUP = 256  # works in one transaction
PATIENCE = 30.0  # seconds to wait for another process's transaction


class _Work(NamedTuple):
    run: Callable[[sqlite3.Connection], Any]
    durable: bool
    done: asyncio.Future
    loop: asyncio.AbstractEventLoop


class Journal:
    """Runs works, functions of a connection, in shared transactions."""

    def __init__(self, path: Path, synchronous: str) -> None:
        self._path = path
        self._synchronous = synchronous
        self._works: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="hl7 journal", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T], *, durable: bool = True) -> T:
        """The result of work once its transaction is committed; work may run twice, where another of its group failed.

        FhirError "no-store" for a full disk, "locked", "unavailable".
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._works.put(_Work(work, durable, done, loop))
        return await done

    def _write(self) -> None:
        connection = connect(self._path)
        level = ""
        closing = False
        while not closing:
            group: list[_Work] = []
            work = self._works.get()
            while work is not None and len(group) < GROUP:
                group.append(work)
                try:
                    work = self._works.get_nowait()
                except queue.Empty:
                    break
            if work is None:
                closing = True
            elif work is not group[-1]:
                self._works.put(work)
            if group:
                wanted = self._synchronous if any(each.durable for each in group) else "NORMAL"
                if wanted != level and self._synchronous != "OFF":
                    connection.execute(f"PRAGMA synchronous = {wanted}")
                    level = wanted
                _settle(group, _together(connection, group))
        connection.close()

    async def close(self) -> None:
        """Finishes what waits."""
        self._works.put(None)
        await asyncio.to_thread(self._thread.join)


def _together(connection: sqlite3.Connection, group: list[_Work]) -> list[Any]:
    """The results of a group, exceptions for those that failed."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        results = [work.run(connection) for work in group]
        connection.execute("COMMIT")
        return results
    except Exception as problem:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        if len(group) == 1:
            return [outward(problem)]
        return [result for work in group for result in _together(connection, [work])]


def _settle(group: list[_Work], results: list[Any]) -> None:
    def deliver() -> None:
        for work, result in zip(group, results, strict=True):
            if work.done.done():
                continue
            if isinstance(result, Exception):
                work.done.set_exception(result)
            else:
                work.done.set_result(result)

    group[0].loop.call_soon_threadsafe(deliver)


def outward(problem: Exception) -> Exception:
    """What went wrong below, as an error that says what to do."""
    name = getattr(problem, "sqlite_errorname", "")
    if name.startswith("SQLITE_FULL"):
        return error("no-store", "The message store's disk is full; nothing was kept. Send again when there is room.")
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return error("locked", "The message store is locked by another process; try again.")
    if name.startswith(("SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return error("unavailable", "The message store can't be used now; nothing was kept.")
    return problem


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any thread, one at a time."""
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=PATIENCE)
        connection.execute("PRAGMA cache_size = -16384")
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
    except sqlite3.Error as problem:
        raise _unusable(path, problem) from problem
    return connection


def prepare(path: Path, tables: str, version: int, later: str = "") -> None:
    """Makes the file and its tables where they are missing; safe when several processes start together.

    later: what files of this version that are older lack. FhirError "unavailable" where it can't be made or is of a
    layout that this program does not know.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=PATIENCE)
    except (OSError, sqlite3.Error) as problem:
        raise _unusable(path, problem) from problem
    try:
        connection.execute("PRAGMA page_size = 8192")
        use_write_ahead_log(connection)
        connection.execute("BEGIN IMMEDIATE")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == 0:
            for statement in tables.split(";\n"):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")
        elif found != version:
            raise error("unavailable", f"{path} has the layout of version {found}; this program knows {version}.")
        connection.execute(later)
        connection.execute("COMMIT")
    except sqlite3.Error as problem:
        raise _unusable(path, problem) from problem
    finally:
        connection.close()


def _unusable(path: Path, problem: Exception) -> FhirError:
    return error("unavailable", f"The message store {path} can't be used: {problem}. Name another data folder.")
