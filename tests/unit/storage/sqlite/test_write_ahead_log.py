"""How long the log gets, and that it begins anew."""

from __future__ import annotations

import asyncio
import itertools
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fhir_server.core.ports import Transaction, Write
from fhir_server.storage.sqlite import write_ahead_log
from fhir_server.storage.sqlite.database import connect, prepare
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.store import SqliteStore

NOW = 1_790_000_000_000_000
BODY = b"x" * 100_000
LIMIT = 2**20  # bytes


def test_what_is_used_of_the_log_is_told_once_it_began_anew(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    prepare(path)
    log = write_ahead_log.log_of(path)
    with closing(connect(path)) as writer:
        assert write_ahead_log.used(log) == 0
        writer.execute("INSERT INTO meta VALUES ('a', ?)", (BODY,))
        whole = os.stat(log).st_size
        assert write_ahead_log.used(log) == whole > len(BODY)
        write_ahead_log.copy(writer)
        writer.execute("INSERT INTO meta VALUES ('b', 1)")
        writer.execute("INSERT INTO meta VALUES ('c', 1)")
        assert os.stat(log).st_size == whole
        assert 2 * 4096 < write_ahead_log.used(log) < 8 * 4096


@pytest.mark.parametrize("broken", [b"", b"short", b"x" * 40, b"x" * 5000])
def test_a_log_that_is_none_has_no_length(tmp_path: Path, broken: bytes) -> None:
    log = tmp_path / "t.sqlite-wal"
    log.write_bytes(broken)
    assert write_ahead_log.used(log) <= len(broken)


def test_the_log_stays_short_while_two_write_without_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(write_ahead_log, "SHORTEST", LIMIT)
    monkeypatch.setattr(write_ahead_log, "LONGEST", LIMIT)
    path = tmp_path / "t.sqlite"
    longest = 0
    ids = (f"{number}" for number in itertools.count())

    async def write(store: SqliteStore, times: int) -> None:
        nonlocal longest
        for _ in range(times):

            async def put(inside: Transaction) -> None:
                await inside.put(Write("Patient", next(ids), 1, inside.now(), "PUT", BODY, []))

            await store.commit(put)
            longest = max(longest, write_ahead_log.used(write_ahead_log.log_of(path)))

    async def run() -> None:
        stores = [SqliteStore(path, lambda: NOW, lambda c, known: SqliteSearchIndex(c, known)) for _ in range(2)]
        await asyncio.gather(*[write(store, 100) for store in stores for _ in range(4)])
        for store in stores:
            await store.close()

    asyncio.run(run())
    assert longest < 800 * len(BODY) * 3 / 4  # it began anew at least once
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*), min(length(body)) FROM version").fetchone() == (800, len(BODY))
