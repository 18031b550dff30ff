"""What an update leaves in the index tables: the values of the newest version, whatever stood there before."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.ports import Transaction, Write
from fhir_server.core.values import NARRATIVE, STRING, TOKEN
from fhir_server.storage.sqlite import encode
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.schema import INDEX_TABLES
from fhir_server.storage.sqlite.store import SqliteStore

NOW = 1_790_000_000_000_000
IDS, CODES, NAMES = "abc", "123", ("ann", "bob")
SELECTED = {table: f"SELECT {', '.join(columns)} FROM {table}" for table, columns in encode.COLUMNS.items()}


def opened(folder: Path) -> SqliteStore:
    return SqliteStore(folder / "t.sqlite", lambda: NOW, lambda c, known: SqliteSearchIndex(c, known))


def values_of(content: tuple[str, str, str] | None) -> list[Any]:
    if content is None:
        return []
    code, name, told = content
    return [(TOKEN, "identifier", "mrn", code), (STRING, "name", name, name), (NARRATIVE, "_text", told)]


async def put(inside: Transaction, id: str, content: tuple[str, str, str] | None) -> None:
    head = await inside.read("Patient", id)
    version = head.version + 1 if head else 1
    body = b"{}" if content else b""
    await inside.put(Write("Patient", id, version, inside.now(), "PUT", body, values_of(content)))


def indexed(store: SqliteStore) -> dict[str, tuple]:
    """By id: its codes, names and words."""
    found: dict[str, tuple] = {}
    for rid, id in store.reader.execute("SELECT rid, id FROM resource WHERE live = 1").fetchall():
        codes = store.reader.execute("SELECT m.code FROM token t JOIN term m USING (term) WHERE t.rid = ?", (rid,))
        names = store.reader.execute("SELECT text FROM string_value WHERE rid = ?", (rid,))
        words = store.reader.execute("SELECT text FROM narrative WHERE rowid = ?", (rid,))
        found[id] = tuple(tuple(row[0] for row in rows) for rows in (codes, names, words))
    return found


def untold(store: SqliteStore) -> list[str]:
    """Ids of resources whose digests are of other rows than the tables have."""
    found = []
    for rid, id, digests in store.reader.execute("SELECT rid, id, digests FROM resource WHERE live = 1").fetchall():
        rows = {
            table: store.reader.execute(f"{SELECTED[table]} WHERE rid = ?", (rid,)).fetchall() for table in INDEX_TABLES
        }
        words = store.reader.execute("SELECT text FROM narrative WHERE rowid = ?", (rid,)).fetchone()
        if digests != encode.digests(rows, words[0] if words else ""):
            found.append(id)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_index_and_its_digests_have_what_the_newest_versions_say(tmp_path, seed):
    rolled = random.Random(seed)
    expected: dict[str, tuple] = {}

    def content() -> tuple[str, str, str] | None:
        return rolled.choice([None, *[(code, name, name) for code in CODES for name in NAMES]])

    async def work(inside: Transaction, changes: list, fails: bool) -> None:
        for id, new in changes:
            await put(inside, id, new)
        if fails:
            raise ValueError("undone")

    async def run() -> tuple[dict[str, tuple], list[str]]:
        store = opened(tmp_path)
        for _ in range(8):  # groups of works that share a commit
            works = []
            for _ in range(rolled.randrange(1, 4)):
                changes = [(rolled.choice(IDS), content()) for _ in range(rolled.randrange(1, 4))]
                fails = rolled.random() < 0.3
                works.append(store.commit(lambda inside, c=changes, f=fails: work(inside, c, f)))
                for id, new in [] if fails else changes:
                    expected.pop(id, None)
                    if new:
                        expected[id] = tuple((part,) for part in new)
            await asyncio.gather(*works, return_exceptions=True)
        found = indexed(store), untold(store)
        await store.close()
        return found

    assert asyncio.run(run()) == (expected, [])


def test_indexing_anew_looks_at_what_is_there(tmp_path):
    async def run() -> dict[str, tuple]:
        store = opened(tmp_path)
        await store.commit(lambda inside: put(inside, "a", ("1", "ann", "ann")))

        async def lose(inside: Any) -> None:
            inside.execute("DELETE FROM token")

        await store.commit_here(lose)
        await store.commit(lambda inside: inside.reindex("Patient", "a", values_of(("1", "ann", "ann"))))
        found = indexed(store)
        await store.close()
        return found

    assert asyncio.run(run()) == {"a": (("1",), ("ann",), ("ann",))}


def test_a_file_of_the_layout_before_is_taken_over(tmp_path):
    async def run() -> dict[str, tuple]:
        store = opened(tmp_path)
        await store.commit(lambda inside: put(inside, "a", ("1", "ann", "ann")))

        async def turn_back(inside: Any) -> None:
            inside.execute("ALTER TABLE resource DROP COLUMN digests")
            inside.execute("DROP TABLE note")
            inside.execute("PRAGMA user_version = 1")

        await store.commit_here(turn_back)
        await store.close()
        store = opened(tmp_path)
        await store.commit(lambda inside: put(inside, "a", ("2", "ann", "bob")))
        found = indexed(store)
        await store.close()
        return found

    assert asyncio.run(run()) == {"a": (("2",), ("ann",), ("bob",))}
