"""What is committed with versions for whoever takes it elsewhere: there with them, taken once, by whichever machine."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.ports import Note, Write
from fhir_server.security.audit import Event
from fhir_server.security.audit.shared import SharedAuditLog
from fhir_server.storage.mongo.notes import GONE, LOST, MongoNotes, Origins
from fhir_server.storage.mongo.store import MongoStore
from tests.conftest import HeldClock
from tests.contract.conftest import EXTRACT
from tests.distributed.conftest import Stores
from tests.distributed.machines import ONE, OTHER, Machines

pytestmark = pytest.mark.anyio

Work = Callable[[Any], Awaitable[None]]


def noting(id: str, *, note: bytes = b"", fails: bool = False) -> Work:
    async def work(inside: Any) -> None:
        await inside.put(Write("Patient", id, 1, inside.now(), "PUT", b'{"resourceType":"Patient"}', ()))
        inside.note(note or id.encode())
        if fails:
            raise KeyError

    return work


class Beside:
    """Stores and notes of machines on one database."""

    def __init__(self, url: str, name: str) -> None:
        self.url, self.name = url, name
        self.clock = HeldClock()
        self.stores: list[MongoStore] = []
        self.notes: list[MongoNotes] = []

    async def store(self, machine: str) -> MongoStore:
        from fhir_server.storage.mongo.database import connect

        store = MongoStore(await connect(self.url, self.name), self.clock, EXTRACT, lambda *_: True, machine=machine)
        await store.start()
        self.stores.append(store)
        return store

    def of(self, machine: str) -> MongoNotes:
        self.notes.append(MongoNotes(self.url, self.name, machine, self.clock))
        return self.notes[-1]

    async def close(self) -> None:
        for store in self.stores:
            await store.close()
        for notes in self.notes:
            notes.close()


@pytest.fixture
async def beside(stores: Stores):
    made = Beside(stores.url, stores.name)
    yield made
    await made.close()


async def kept(notes: MongoNotes) -> list[Note]:
    return await asyncio.to_thread(notes.kept)


async def test_a_note_is_there_if_what_was_written_with_it_is(beside: Beside) -> None:
    store, notes = await beside.store(ONE), beside.of(ONE)
    assert await kept(notes) == []
    works = [noting("a"), noting("b", fails=True), noting("c")]
    await asyncio.gather(*map(store.commit, works), return_exceptions=True)
    assert sorted(note.data for note in await kept(notes)) == [b"a", b"c"]
    assert await kept(beside.of(OTHER)) == []


async def test_a_work_that_runs_again_leaves_one(beside: Beside) -> None:
    store, other = await beside.store(ONE), await beside.store(ONE)

    def deleting(runs: list[int]) -> Work:
        async def work(inside: Any) -> None:
            runs.append(1)
            head = await inside.read("Patient", "a")
            if len(runs) == 1:
                await other.commit(updating)
            await inside.put(Write("Patient", "a", (await inside.read("Patient", "a")).version + 1, inside.now(),
                                   "DELETE", b"", ()))  # fmt: skip
            inside.note(f"deleted {head.version}".encode())

        return work

    async def updating(inside: Any) -> None:
        await inside.put(Write("Patient", "a", 2, inside.now(), "PUT", b'{"resourceType":"Patient"}', ()))
        inside.note(b"updated")

    await store.commit(noting("a"))
    runs: list[int] = []
    await store.commit(deleting(runs))
    assert len(runs) == 2
    assert sorted(note.data for note in await kept(beside.of(ONE))) == [b"a", b"deleted 2", b"updated"]


def test_an_origin_numbers_one_commit_at_a_time() -> None:
    origins = Origins(ONE)
    first, second = origins.numbered([b"1", b"2"], 7), origins.numbered([b"3"], 8)
    assert first.origin != second.origin, "whichever comes first, no place comes behind a later one"
    origins.committed(second)
    third = origins.numbered([b"4"], 9)
    assert (third.origin, third.place) == (second.origin, 2)
    failed = origins.numbered([b"5"], 9)  # whether it took place may never be known
    assert origins.numbered([b"6"], 9).origin not in (first.origin, second.origin, failed.origin)
    assert [(each["place"], each["data"], each["machine"]) for each in first.documents] == [
        (1, b"1", ONE),
        (2, b"2", ONE),
    ]


async def test_places_up_to_one_are_removed(beside: Beside) -> None:
    store, notes = await beside.store(ONE), beside.of(ONE)
    for id in ("a", "b", "c"):
        await store.commit(noting(id))
    found = await kept(notes)
    assert [(note.place, note.data) for note in found] == [(1, b"a"), (2, b"b"), (3, b"c")]
    await asyncio.to_thread(notes.remove, {found[1].origin: 2})
    assert await kept(notes) == found[2:]


async def test_those_of_a_machine_that_is_gone_are_anothers_in_the_end(beside: Beside) -> None:
    gone, notes, other = await beside.store(ONE), beside.of(ONE), beside.of(OTHER)
    await gone.commit(noting("a"))
    await gone.commit(noting("b"))
    assert await kept(other) == []
    beside.clock.now += GONE + 1
    assert [note.data for note in await kept(other)] == [b"a", b"b"] and await kept(notes) == []
    await gone.commit(noting("c"))  # it was only slow
    assert [note.data for note in await kept(notes)] == [b"c"]
    beside.clock.now += LOST // 2
    assert len(await kept(other)) == 2, "what was claimed may be in the log of a machine that comes back"
    beside.clock.now += LOST
    assert [note.data for note in await kept(other)] == [b"a", b"b", b"c"]


def event(user: str) -> Event:
    return Event(recorded=1, kind="rest", interaction="create", action="C", outcome="0", status=201, user=user)


def users(log: SharedAuditLog) -> list[str]:
    return sorted(found.user for _, found in log.page(""))


async def test_each_machine_takes_in_its_own_once_and_removes_them_when_they_are_copied(
    machines: Machines, tmp_path: Path
) -> None:
    one, again, other = machines.open(ONE), machines.open(ONE), machines.open(OTHER)
    beside = Beside(machines.settings.mongodb_url, machines.settings.mongodb_database)
    try:
        for machine, log in ((ONE, one), (OTHER, other)):
            store = await beside.store(machine)
            for number in range(3):
                id = f"{machine[0]}{number}"
                await store.commit(noting(id, note=log.note([event(id)])))
        database = beside.stores[0].database
        found = await database.notes.find_one({})
        assert found is not None and b"create" not in bytes(found["data"])
        await asyncio.gather(*(asyncio.to_thread(log.own.take_in) for log in (one, again, other)))
        assert await database.notes.count_documents({}) == 6, "one that is lost now takes none along"
        await asyncio.gather(*(asyncio.to_thread(log.copy) for log in (one, again, other)))
        assert await database.notes.count_documents({}) == 0
        expected = ["00", "01", "02", "b0", "b1", "b2"]
        assert await asyncio.to_thread(users, one) == await asyncio.to_thread(users, other) == expected
        assert (await asyncio.to_thread(one.verify)).problem == ""
    finally:
        await beside.close()


async def test_what_a_killed_process_took_in_and_did_not_remove_is_removed_by_the_next(machines: Machines) -> None:
    killed = machines.open(ONE)
    beside = Beside(machines.settings.mongodb_url, machines.settings.mongodb_database)
    try:
        store = await beside.store(ONE)
        await store.commit(noting("a", note=killed.note([event("a")])))
        await asyncio.to_thread(killed.own.take_in)
        again = machines.open(ONE)
        await asyncio.to_thread(again.copy)
        assert await store.database.notes.count_documents({}) == 0
        assert await asyncio.to_thread(users, again) == ["a"]
    finally:
        await beside.close()


async def test_one_that_was_changed_is_told_and_one_whose_key_is_missing_waits(machines: Machines) -> None:
    one = machines.open(ONE)
    beside = Beside(machines.settings.mongodb_url, machines.settings.mongodb_database)
    try:
        store = await beside.store(ONE)
        await store.commit(noting("a", note=one.note([event("a")])))
        await store.commit(noting("b", note=one.note([event("b")])))
        found = await store.database.notes.find_one({"place": 1})
        assert found is not None
        changed = bytes(found["data"])[:-1] + b"\0"
        await store.database.notes.update_one({"_id": found["_id"]}, {"$set": {"data": changed}})
        verdict = await asyncio.to_thread(one.verify)
        assert "in the store was changed" in verdict.problem
        assert await asyncio.to_thread(users, one) == ["b"]
    finally:
        await beside.close()
