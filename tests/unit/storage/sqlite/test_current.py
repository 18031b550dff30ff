"""What is known of a moment is used without asking SQLite, and never once anybody has stored something newer."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction, Write
from fhir_server.core.query import Query, TokenIs
from fhir_server.core.values import TOKEN
from fhir_server.storage.sqlite import current
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.log_index import log_state
from fhir_server.storage.sqlite.search.reader import Limit, Reader
from fhir_server.storage.sqlite.store import SqliteStore

NOW = 1_790_000_000_000_000
ANOTHER_WORKER = """
import asyncio, sys
from pathlib import Path
from tests.unit.storage.sqlite.test_current import opened, put

async def run():
    store = opened(Path(sys.argv[1]))
    for line in sys.stdin:
        id, version = line.split()
        await put(store, id, int(version))
        print("stored", flush=True)
    await store.close()

asyncio.run(run())
"""
ROUNDS = 300


def opened(path: Path, cache_mb: int = 32) -> SqliteStore:
    return SqliteStore(path, lambda: NOW, lambda c, known: SqliteSearchIndex(c, known), cache_mb=cache_mb)


async def put(store: SqliteStore, id: str, version: int, body: bytes | None = None) -> None:
    async def work(inside: Transaction) -> None:
        given = b"version %d" % version if body is None else body
        values = [(TOKEN, "identifier", "mrn", f"{id}{version}")] if given else []
        await inside.put(Write("Patient", id, version, inside.now(), "PUT" if given else "DELETE", given, values))

    await store.commit(work)


async def body_of(store: SqliteStore, id: str) -> bytes | None:
    version = await store.read("Patient", id)
    return version.body if version is not None else None


async def identified(store: SqliteStore, code: str) -> list[str]:
    query = Query(("Patient",), TokenIs(("identifier",), "mrn", code))
    return [version.id for version in (await store.index.search(query)).matches]


def with_store(path: Path, work: Callable[[SqliteStore], Awaitable[None]], cache_mb: int = 32) -> None:
    async def run() -> None:
        store = opened(path, cache_mb)
        try:
            await work(store)
        finally:
            await store.close()

    asyncio.run(run())


def without_sqlite(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on a read that asks SQLite fails."""

    def refuse(*_: object) -> None:
        raise AssertionError("SQLite was asked")

    monkeypatch.setattr(store, "_execute", refuse)


def test_a_version_that_was_read_is_given_again_without_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(store: SqliteStore) -> None:
        await put(store, "a", 1)
        for _ in range(2):
            assert await body_of(store, "a") == b"version 1"
        without_sqlite(store, monkeypatch)
        assert await body_of(store, "a") == b"version 1"

    with_store(tmp_path / "a folder" / "t.sqlite", work)


def test_what_another_process_has_acknowledged_is_read_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANOTHER_WORKER, str(tmp_path / "t.sqlite")]

    async def work(store: SqliteStore) -> None:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdin and other.stdout
            for version in range(1, ROUNDS):
                print("a", version, file=other.stdin, flush=True)
                assert other.stdout.readline() == "stored\n"
                for _ in range(3):
                    assert await body_of(store, "a") == b"version %d" % version
                    assert await identified(store, f"a{version}") == ["a"]
                    assert await identified(store, f"a{version - 1}") == []
            other.stdin.close()

    with_store(tmp_path / "t.sqlite", work)


def test_two_processes_that_write_by_turns_read_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", ANOTHER_WORKER, str(tmp_path / "t.sqlite")]

    async def work(store: SqliteStore) -> None:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            assert other.stdin and other.stdout
            for version in range(1, ROUNDS, 2):
                print("a", version, file=other.stdin, flush=True)
                assert other.stdout.readline() == "stored\n"
                assert await body_of(store, "a") == b"version %d" % version
                await put(store, "a", version + 1)
                assert await body_of(store, "a") == b"version %d" % (version + 1)
            other.stdin.close()

    with_store(tmp_path / "t.sqlite", work)


def test_a_change_of_one_leaves_the_others_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(store: SqliteStore) -> None:
        for id in "ab":
            await put(store, id, 1)
            await body_of(store, id)
        await put(store, "a", 2)
        assert await body_of(store, "b") == b"version 1"  # reads the feed once
        without_sqlite(store, monkeypatch)
        assert await body_of(store, "b") == b"version 1"

    with_store(tmp_path / "t.sqlite", work)


def test_more_changes_than_are_looked_at_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current, "MOST", 3)

    async def work(store: SqliteStore) -> None:
        for id in "abcde":
            await put(store, id, 1)
            await body_of(store, id)
        for id in "abcd":
            await put(store, id, 2)
        for _ in range(2):
            assert [await body_of(store, id) for id in "abcde"] == [b"version 2"] * 4 + [b"version 1"]

    with_store(tmp_path / "t.sqlite", work)


def test_a_deletion_and_an_erasure_are_read(tmp_path: Path) -> None:
    async def work(store: SqliteStore) -> None:
        await put(store, "a", 1)
        await body_of(store, "a")
        await put(store, "a", 2, b"")
        assert await body_of(store, "a") == b""

        async def erase(inside: Transaction) -> None:
            await inside.erase("Patient", "a")

        await store.commit(erase)
        assert await body_of(store, "a") is None

    with_store(tmp_path / "t.sqlite", work)


def test_the_log_may_be_copied_and_begin_anew(tmp_path: Path) -> None:
    async def work(store: SqliteStore) -> None:
        for version in range(1, 20):
            await put(store, "a", version)
            store.reader.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
            assert [await body_of(store, "a") for _ in range(2)] == [b"version %d" % version] * 2

    with_store(tmp_path / "t.sqlite", work)


def test_a_search_that_somebody_commits_beside_is_done_again(tmp_path: Path) -> None:
    states = iter([b"1", b"1", b"2", b"2", b"2", b"2", b"2"])

    async def work(store: SqliteStore) -> None:
        await put(store, "a", 1)
        reader = Reader(store.reader, store.known, lambda: next(states))
        reader.within(Limit(30), lambda: None)  # follows the dictionaries at state 1
        assert reader.unmoved(lambda: "found") is None  # 1 before, 2 after
        assert reader.unmoved(lambda: "found") is None  # 2, which is not followed
        reader.within(Limit(30), lambda: None)
        assert reader.unmoved(lambda: "found") == "found"
        reader.leave()
        assert reader.unmoved(lambda: "found") is None

    with_store(tmp_path / "t.sqlite", work)


def version_of(id: str, size: int) -> StoredVersion:
    return StoredVersion("Patient", id, 1, 1, NOW, "PUT", b" " * size)


def test_what_was_not_asked_for_lately_makes_room(tmp_path: Path) -> None:
    async def work(store: SqliteStore) -> None:
        size = 1000
        few = current.Current(store.reader.execute, lambda: b"same", 100 * (size + current.BESIDE))
        names = [f"{number}" for number in range(100)]
        for name in names:
            few.keep(version_of(name, size))
        assert few.get("Patient", "0")
        few.keep(version_of("new", size))
        assert few.get("Patient", "0")
        assert few.get("Patient", "1") is None
        assert few.get("Patient", "2")
        few.keep(version_of("large", 50 * size))
        assert few.get("Patient", "large") is None

    with_store(tmp_path / "t.sqlite", work)


def test_a_store_without_a_log_in_memory_is_read_by_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert log_state(tmp_path / "nothing.sqlite") is None
    monkeypatch.setattr("fhir_server.storage.sqlite.log_index.MAPS", tmp_path / "nothing")

    async def work(store: SqliteStore) -> None:
        for version in (1, 2):
            await put(store, "a", version)
            assert await body_of(store, "a") == b"version %d" % version

    with_store(tmp_path / "t.sqlite", work)
