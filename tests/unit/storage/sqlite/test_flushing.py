"""What is committed is told once it is on the disk, and written while another flush is under way."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Transaction, Write
from fhir_server.storage.sqlite import flushing as module
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.store import SqliteStore

NOW = 1_790_000_000_000_000


class Disk:
    """The disk's flush, which waits until it may go on, or fails."""

    def __init__(self) -> None:
        self.may_go_on = threading.Event()
        self.asked = 0
        self.problem: OSError | None = None

    def flush(self, file: int) -> None:
        self.asked += 1
        assert self.may_go_on.wait(20)
        if self.problem is not None:
            raise self.problem
        real_flush(file)


real_flush = module.to_disk


@pytest.fixture
def disk(monkeypatch):
    disk = Disk()
    monkeypatch.setattr(module, "to_disk", disk.flush)
    return disk


def put(id: str) -> Callable[[Transaction], Awaitable[Any]]:
    async def work(inside: Transaction) -> None:
        await inside.put(Write("Patient", id, 1, inside.now(), "PUT", b"{}", []))

    return work


def run(folder: Path, disk: Disk, use: Callable[[SqliteStore], Awaitable[None]]) -> None:
    async def opened() -> None:
        store = SqliteStore(folder / "t.sqlite", lambda: NOW, lambda c, known: SqliteSearchIndex(c, known))
        try:
            await use(store)
        finally:
            disk.may_go_on.set()
            await store.close()

    asyncio.run(opened())


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.001)


def test_a_write_is_answered_once_it_is_on_the_disk(tmp_path, disk):
    async def use(store: SqliteStore) -> None:
        writing = asyncio.create_task(store.commit(put("a")))
        await until(lambda: disk.asked == 1)
        assert store.reader.execute("SELECT count(*) FROM version").fetchone() == (1,)
        assert not writing.done()
        disk.may_go_on.set()
        await writing

    run(tmp_path, disk, use)


def test_a_work_that_writes_nothing_waits_for_what_it_has_seen(tmp_path, disk):
    async def use(store: SqliteStore) -> None:
        writing = asyncio.create_task(store.commit(put("a")))
        await until(lambda: disk.asked == 1)
        asking = asyncio.create_task(store.commit(lambda inside: inside.read("Patient", "a")))
        done, _ = await asyncio.wait([writing, asking], timeout=0.05)
        assert not done
        disk.may_go_on.set()
        seen = await asking
        assert seen is not None
        assert seen.version == 1

    run(tmp_path, disk, use)


def test_another_process_can_write_while_this_one_flushes(tmp_path, disk):
    async def use(store: SqliteStore) -> None:
        writing = asyncio.create_task(store.commit(put("a")))
        await until(lambda: disk.asked == 1)
        other = SqliteStore(tmp_path / "t.sqlite", lambda: NOW, lambda c, known: SqliteSearchIndex(c, known))
        there = asyncio.create_task(other.commit(put("b")))
        await until(lambda: disk.asked == 2)
        assert not writing.done()
        disk.may_go_on.set()
        await asyncio.gather(writing, there)
        await other.close()

    run(tmp_path, disk, use)


def test_the_feed_tells_no_change_that_a_power_failure_may_take_back(tmp_path, disk):
    async def use(store: SqliteStore) -> None:
        writing = asyncio.create_task(store.commit(put("a")))
        await until(lambda: disk.asked == 1)
        changes, head = asyncio.create_task(store.changes(0)), asyncio.create_task(store.head())
        done, _ = await asyncio.wait([changes, head], timeout=0.05)
        assert not done
        disk.may_go_on.set()
        assert [change.id for change in await changes] == ["a"]
        assert await head == 1
        await writing

    run(tmp_path, disk, use)


def test_where_the_disk_fails_nothing_more_is_taken(tmp_path, disk):
    async def use(store: SqliteStore) -> None:
        disk.problem = OSError(errno.EIO, "Input/output error")
        disk.may_go_on.set()
        gave = [*await asyncio.gather(store.commit(put("a")), store.commit(put("b")), return_exceptions=True)]
        disk.problem = None
        gave += await asyncio.gather(store.commit(put("c")), return_exceptions=True)
        assert [isinstance(each, FhirError) and each.status for each in gave] == [503, 503, 503]
        assert "start the server again" in str(gave[2])
        assert await store.read("Patient", "c") is None

    run(tmp_path, disk, use)
