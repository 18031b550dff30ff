"""What an erasure leaves in the file."""

from __future__ import annotations

import asyncio

from fhir_server.core.ports import Write
from fhir_server.core.values import NARRATIVE, STRING
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.store import SqliteStore

NOW = 1_790_000_000_000_000
NAMES = "Xanthippe", "Quirinus"


def test_each_erasure_overwrites_the_index_rows_that_were_and_those_that_are(tmp_path):
    async def work(inside) -> None:
        for id in ("a", "b"):
            for version, name in enumerate(NAMES, 1):
                text = f"{name} of {id}"
                values = [(STRING, "name", text.lower(), text)]
                await inside.put(Write("Patient", id, version, inside.now(), "PUT", text.encode(), values))
                inside.execute("SELECT 1")  # what is put so far is written

    async def run() -> None:
        store = SqliteStore(tmp_path / "t.sqlite", lambda: NOW, lambda c, known: SqliteSearchIndex(c, known))
        await store.commit_here(work)
        for id in ("a", "b"):
            await store.commit_here(lambda inside, id=id: inside.erase("Patient", id))
        await store.close()

    asyncio.run(run())
    content = (tmp_path / "t.sqlite").read_bytes().lower()
    assert not [name for name in NAMES if name.lower().encode() in content]


def test_an_erasure_leaves_no_word_of_the_narratives_that_were_and_that_is(tmp_path):
    async def tells(inside, version: int, word: str) -> None:
        values = [(NARRATIVE, "", word.lower())]
        await inside.put(Write("Patient", "a", version, inside.now(), "PUT", b"{}", values))

    async def run() -> None:
        store = SqliteStore(tmp_path / "t.sqlite", lambda: NOW, lambda c, known: SqliteSearchIndex(c, known))
        for version, name in enumerate(NAMES, 1):
            await store.commit_here(lambda inside, version=version, name=name: tells(inside, version, name))
        await store.commit_here(lambda inside: inside.erase("Patient", "a"))
        await store.close()

    asyncio.run(run())
    content = (tmp_path / "t.sqlite").read_bytes().lower()
    assert not [name for name in NAMES if name.lower().encode() in content]
