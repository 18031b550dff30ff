"""Notes are there if and only if what was written with them is, until whoever takes them has removed them."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Note, Write
from fhir_server.storage.sqlite import notes as module
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.notes import SqliteNotes
from fhir_server.storage.sqlite.store import SqliteStore

NOW = 1_790_000_000_000_000
Work = Callable[[Any], Awaitable[None]]


def noting(id: str, *, asks: bool = False, fails: bool = False) -> Work:
    async def work(inside: Any) -> None:
        await inside.put(Write("Patient", id, 1, inside.now(), "PUT", b"{}", ()))
        inside.note(id.encode())
        if asks:
            await inside.reads.history("Patient")
        if fails:
            raise KeyError

    return work


def written(folder: Path, *works: Work) -> None:
    async def run() -> None:
        store = SqliteStore(folder / "t.sqlite", lambda: NOW, lambda c, known: SqliteSearchIndex(c, known))
        await asyncio.gather(*[store.commit(work) for work in works], return_exceptions=True)
        await store.close()

    asyncio.run(run())


def found(folder: Path) -> list[Note]:
    with closing(SqliteNotes(folder / "t.sqlite")) as notes:
        return notes.kept()


@pytest.mark.parametrize("asks", [False, True])
def test_a_note_is_there_if_what_was_written_with_it_is(tmp_path, asks):
    written(tmp_path, noting("a", asks=asks), noting("b", asks=asks, fails=True), noting("c", asks=asks))
    assert [(note.place, note.data) for note in found(tmp_path)] == [(1, b"a"), (2, b"c")]


def test_places_of_a_group_that_failed_are_missed_by_nobody(tmp_path, monkeypatch):
    class Full(sqlite3.Error):
        sqlite_errorname = "SQLITE_FULL"

    async def run() -> None:
        store = SqliteStore(tmp_path / "t.sqlite", lambda: NOW, lambda c, known: SqliteSearchIndex(c, known))
        await store.commit(noting("a"))
        with monkeypatch.context() as full:

            def fails(*rest: Any) -> None:
                raise Full

            full.setattr("fhir_server.storage.sqlite.gathered.Gathered.write", fails)
            with pytest.raises(FhirError):
                await store.commit(noting("b"))
        await store.commit(noting("c"))
        await store.close()

    asyncio.run(run())
    assert {(note.place, note.data) for note in found(tmp_path)} == {(1, b"a"), (1, b"c")}


def test_notes_of_each_writer_have_places_of_their_own_and_go_when_they_were_taken(tmp_path):
    written(tmp_path, noting("a"), noting("b"))
    written(tmp_path, noting("c"))
    notes = found(tmp_path)
    a, b, c = sorted(notes, key=lambda each: each.data)
    assert a.origin == b.origin != c.origin and a.place < b.place
    assert [note for note in notes if note.origin == a.origin] == [a, b]
    with closing(SqliteNotes(tmp_path / "t.sqlite")) as source:
        source.remove({a.origin: a.place, c.origin: c.place})
    assert found(tmp_path) == [b]


def test_where_others_write_all_the_time_they_stay_for_another_time(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    written(tmp_path, noting("a"))
    (note,) = found(tmp_path)
    with (
        closing(SqliteNotes(tmp_path / "t.sqlite")) as source,
        closing(sqlite3.connect(tmp_path / "t.sqlite", isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        source.remove({note.origin: note.place})
        other.execute("ROLLBACK")
        assert source.kept() == [note]
        source.remove({note.origin: note.place})
        assert source.kept() == []


def test_where_there_is_no_store_yet_or_one_of_a_former_layout_there_are_none(tmp_path):
    assert found(tmp_path) == [] and not (tmp_path / "t.sqlite").exists()
    with closing(sqlite3.connect(tmp_path / "t.sqlite")) as other:
        other.execute("CREATE TABLE version (seq INTEGER)")
    assert found(tmp_path) == []
