"""The feed where writers die or are too late: nothing appears behind what was read, nothing is lost or stored twice."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from bson.binary import UUID_SUBTYPE, Binary

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from fhir_server.storage.changes.lag import lag
from fhir_server.storage.mongo import beats
from fhir_server.storage.mongo import feed as feeds
from fhir_server.storage.mongo.positions import COUNTER, Allocated
from tests.distributed.conftest import Stores

pytestmark = pytest.mark.anyio

PATIENT = {"resourceType": "Patient", "id": "a"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "PATIENCE", 0.2)


async def test_a_position_that_a_dead_writer_took_is_passed_over_in_the_end(stores: Stores) -> None:
    shelf = await stores.open()
    await shelf.put(PATIENT)
    await shelf.store.positions.allocate(2, 1, {"id": Binary(b"gone" * 4, UUID_SUBTYPE)})
    last = await shelf.put({**PATIENT, "id": "b"})
    assert [change.id for change in await shelf.store.changes(0)] == ["a"], "not past the gap while it may still fill"
    assert await shelf.store.head() == last.seq
    assert [change.id for change in await shelf.store.changes(0)] == ["a", "b"]
    assert await shelf.store.changes(1) == [(await shelf.store.changes(0))[1]]


async def test_the_open_transaction_of_a_dead_writer_is_ended(stores: Stores) -> None:
    shelf, dead = await stores.open(), await stores.open()
    async with dead.store.database.client.start_session() as session:
        taken = await dead.store.positions.allocate(1, 1, session.session_id)
        await session.start_transaction()
        await dead.store.database.feed.insert_one({"_id": taken.first, "m": "PUT"}, session=session)
        last = await shelf.put(PATIENT)
        assert await shelf.store.head() == last.seq
        assert [change.id for change in await shelf.store.changes(0)] == ["a"]


async def test_the_transaction_of_a_dead_writer_is_ended_whoever_has_committed_since(stores: Stores) -> None:
    """As many as several workers have sessions, of which more than one begins as the dead one's does."""
    shelf, dead = await stores.open(), await stores.open()
    async with dead.store.database.client.start_session() as session:
        taken = await dead.store.positions.allocate(1, 1, session.session_id)
        await session.start_transaction()
        await dead.store.database.feed.insert_one({"_id": taken.first, "m": "PUT"}, session=session)
        begins = bytes(session.session_id["id"])[:1]
        other = await shelf.store.positions.allocate(1, 1, {"id": Binary(begins + b"other" * 3, UUID_SUBTYPE)})
        await shelf.store.positions.void([other.first])
        last = await shelf.put(PATIENT)
        assert await shelf.store.head() == last.seq


async def test_writers_are_remembered_until_their_positions_are_settled(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SETTLED_EVERY", 1)
    shelf = await stores.open()
    await shelf.put(PATIENT)
    taken = await shelf.store.positions.allocate(2, 1, {"id": Binary(b"live" * 4, UUID_SUBTYPE)})
    await shelf.store.positions.void([taken.first])
    await shelf.store.head()
    counter = await shelf.store.database.counters.find_one({"_id": COUNTER})
    assert counter["settled"] == taken.first
    assert [writer["first"] for writer in counter["writers"].values()] == [taken.first], "one is not there yet"
    await shelf.store.positions.void([taken.first + 1])
    await shelf.store.head()
    assert (await shelf.store.database.counters.find_one({"_id": COUNTER}))["writers"] == {}


async def test_a_writer_that_is_only_slow_is_waited_for(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beats, "EVERY", 0.05)
    monkeypatch.setattr(feeds, "PATIENCE", 1.0)  # so that a busy machine gives its signs in time
    shelf, other = await stores.open(), await stores.open()
    counters = shelf.store.database.counters
    await shelf.put(PATIENT)
    await stores.fail(1, failCommands=["commitTransaction"], blockConnection=True, blockTimeMS=2500)
    slow = asyncio.create_task(shelf.put({**PATIENT, "id": "slow"}))
    while (await counters.find_one({"_id": COUNTER}))["seq"] < 2:
        await asyncio.sleep(0.01)
    last = await other.put({**PATIENT, "id": "b"})
    assert (await lag(other.store, "index", other.store._clock)).changes == 3 and not slow.done(), "this does not wait"
    assert await other.store.head() == last.seq == 3
    assert [change.id for change in await other.store.changes(0)] == ["a", "slow", "b"]
    assert (await slow).seq == 2
    assert await counters.count_documents({}) == 1, "no sign is left"


async def test_a_position_that_nobody_used_is_not_the_newest(stores: Stores) -> None:
    shelf = await stores.open()
    stored = await shelf.put(PATIENT)
    allocated = await shelf.store.positions.allocate(1, 1, {"id": Binary(b"done" * 4, UUID_SUBTYPE)})
    await shelf.store.positions.void([allocated.first])
    assert await shelf.store.newest() == stored.seq


async def test_a_writer_that_comes_too_late_takes_another_position(stores: Stores) -> None:
    shelf = await stores.open()
    positions = shelf.store.positions
    allocate, calls = positions.allocate, []

    async def slow(count: int, updated: int, session: object) -> Allocated:
        allocated = await allocate(count, updated, session)
        if not calls:
            await positions.void(range(allocated.first, allocated.first + count))
        calls.append(allocated)
        return allocated

    positions.allocate = slow
    stored = await shelf.put(PATIENT)
    assert len(calls) == 2 and stored.seq == calls[1].first
    assert [change.seq for change in await shelf.store.changes(0)] == [stored.seq]
    assert await shelf.store.read("Patient", "a") == stored


async def test_a_work_that_waits_long_for_its_turn_is_stored_all_the_same(stores: Stores) -> None:
    """Others go on committing while it waits: it runs anew once, for its clock may be behind, not for ever."""
    shelf = await stores.open()
    await shelf.put(PATIENT)
    allocate, calls = shelf.store.positions.allocate, []

    async def late(count: int, updated: int, session: object) -> Allocated:
        calls.append(updated)
        await shelf.store.database.counters.update_one({"_id": COUNTER}, {"$inc": {"updated": 5_000_000}})
        return await allocate(count, updated, session)

    shelf.store.positions.allocate = late
    stored = await shelf.put({**PATIENT, "id": "b"})
    assert len(calls) == 2 and stored.version == 1


@pytest.mark.parametrize("late", ["a new work", "one that has run again"])
async def test_what_comes_after_a_moment_was_closed_is_of_a_later_one(stores: Stores, late: str) -> None:
    """However long it waits for its positions, and though nobody else commits meanwhile."""
    shelf, other = await stores.open(), await stores.open()
    allocate, moments = shelf.store.positions.allocate, []

    async def slow(count: int, updated: int, session: object) -> Allocated:
        moments.append(updated)
        if late == "one that has run again" and len(moments) == 1:
            newer = {"$set": {"updated": updated + 5_000_000}}
            await shelf.store.database.counters.update_one({"_id": COUNTER}, newer)
        elif len(moments) == (1 if late == "a new work" else 2):
            await other.store.settled(updated + 2_000)
            assert await other.store.read("Patient", "a") is None
        return await allocate(count, updated, session)

    shelf.store.positions.allocate = slow
    stored = await shelf.put(PATIENT)
    assert stored.updated >= moments[-2] + 2_000
    assert [change.id for change in await other.store.changes(0)] == ["a"]


async def test_works_that_rely_on_one_resource_do_not_hold_one_another_up(stores: Stores) -> None:
    shelf = await stores.open()
    await shelf.put(PATIENT)

    def relying(id: str) -> Callable[[Transaction], Awaitable[StoredVersion]]:
        async def work(transaction: Transaction) -> StoredVersion:
            await transaction.read("Patient", "a")
            return await shelf.put_in(transaction, {**PATIENT, "id": id})

        return work

    stored = await shelf.together(*(relying(f"b{n}") for n in range(12)))
    assert sorted(version.seq for version in stored) == list(range(2, 14)), "none was run anew"
    deleting = shelf.delete("Patient", "a")
    late, gone = await asyncio.gather(shelf.together(relying("c")), deleting)
    assert late[0].version == 1 and gone.deleted


async def test_few_writes_that_come_while_a_commit_is_under_way_share_the_next(stores: Stores) -> None:
    shelf = await stores.open()
    allocate, counts = shelf.store.positions.allocate, []

    async def counted(count: int, updated: int, session: Any) -> Allocated:
        counts.append(count)
        return await allocate(count, updated, session)

    shelf.store.positions.allocate = counted
    await asyncio.gather(*(shelf.put({**PATIENT, "id": f"p{n}"}) for n in range(12)))
    assert sum(counts) == 12 and len(counts) <= 3, counts


async def test_few_writes_do_not_wait_for_a_commit_that_takes_long(stores: Stores) -> None:
    shelf = await stores.open()
    store, order = shelf.store.content.keep, []

    async def slow(*file: Any) -> None:
        await asyncio.sleep(1.0)
        await store(*file)

    shelf.store.content.keep = slow
    binary = {"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "eA=="}
    writes = [asyncio.create_task(shelf.put(binary))]
    await asyncio.sleep(0.1)
    writes.append(asyncio.create_task(shelf.put(PATIENT)))
    for write in writes:
        write.add_done_callback(lambda done: order.append(done.result().type))
    await asyncio.gather(*writes)
    await asyncio.sleep(0)
    assert order == ["Patient", "Binary"]


@pytest.mark.parametrize(
    "how",
    [
        {"failCommands": ["commitTransaction"], "closeConnection": True},
        {"failCommands": ["commitTransaction"], "errorCode": 91, "errorLabels": ["UnknownTransactionCommitResult"]},
        {"failCommands": ["commitTransaction"], "errorCode": 251, "errorLabels": ["TransientTransactionError"]},
        {"failCommands": ["insert"], "errorCode": 112, "errorLabels": ["TransientTransactionError"]},
        {"failCommands": ["insert", "update"], "closeConnection": True},
        {"failCommands": ["findAndModify"], "errorCode": 10107, "errorLabels": ["RetryableWriteError"]},
    ],
    ids=["commit without an answer", "commit at a shutdown", "commit lost", "conflict", "broken off", "stepped down"],
)
@pytest.mark.parametrize("times", [1, 3])
async def test_what_fails_on_its_way_is_stored_once(stores: Stores, how: dict, times: int) -> None:
    shelf = await stores.open()
    await shelf.put(PATIENT)
    await stores.fail(times, **how)
    try:
        stored = await asyncio.gather(*(shelf.put({**PATIENT, "id": f"p{n}"}) for n in range(5)))
    finally:
        await stores.fail(0, failCommands=[])
    await shelf.store.head()
    changes = await shelf.store.changes(0)
    assert sorted(change.id for change in changes) == ["a", "p0", "p1", "p2", "p3", "p4"]
    assert {version.seq for version in stored} < {change.seq for change in changes}
    for version in stored:
        assert await shelf.store.read(version.type, version.id) == version
        assert version.version == 1
