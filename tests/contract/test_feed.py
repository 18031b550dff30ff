"""The change feed: every commit in order, positions that only grow, nothing behind what was read."""

import asyncio

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Transaction
from tests.contract.conftest import Shelf

pytestmark = pytest.mark.anyio


def patient(id: str) -> dict:
    return {"resourceType": "Patient", "id": id}


async def test_changes_come_in_the_order_of_their_commits(shelf: Shelf) -> None:
    await shelf.put(patient("a"), "POST")
    await shelf.put(patient("b"))
    await shelf.put(patient("a"), "PATCH")
    await shelf.delete("Patient", "b")
    assert await shelf.changes() == [
        ("Patient", "a", 1, "POST"),
        ("Patient", "b", 1, "PUT"),
        ("Patient", "a", 2, "PATCH"),
        ("Patient", "b", 2, "DELETE"),
    ]


async def test_a_version_knows_its_position(shelf: Shelf) -> None:
    stored = await shelf.put(patient("a"))
    assert [change.seq for change in await shelf.store.changes(0)] == [stored.seq]
    assert await shelf.store.head() == stored.seq


async def test_what_was_answered_is_at_or_before_the_newest_position(shelf: Shelf) -> None:
    assert await shelf.store.newest() == 0
    stored = await shelf.put(patient("a"))
    other = await shelf.another()
    assert await other.store.newest() == stored.seq
    await other.store.close()


async def test_positions_only_grow_and_are_read_on_from(shelf: Shelf) -> None:
    for number in range(10):
        await shelf.put(patient(f"p{number}"))
    seen, after = [], 0
    while changes := await shelf.store.changes(after, limit=3):
        assert len(changes) <= 3
        seen += [change.id for change in changes]
        after = changes[-1].seq
    assert seen == [f"p{number}" for number in range(10)]
    assert after == await shelf.store.head()


async def test_an_empty_feed_has_no_head(shelf: Shelf) -> None:
    assert await shelf.store.head() == 0
    assert await shelf.store.changes(0) == []


async def test_a_work_that_fails_leaves_nothing(shelf: Shelf) -> None:
    async def work(transaction: Transaction) -> None:
        await shelf.put_in(transaction, patient("a"))
        raise ValueError

    with pytest.raises(ValueError):
        await shelf.store.commit(work)
    await shelf.put(patient("b"))
    assert await shelf.changes() == [("Patient", "b", 1, "PUT")]
    assert await shelf.store.read("Patient", "a") is None


async def test_what_one_reader_has_passed_stays_as_it_was_while_many_write(shelf: Shelf) -> None:
    """Two processes' worth of writers, a reader that follows: each change once, in the order of versions."""
    other = await shelf.another()
    done = asyncio.Event()

    async def write(by: Shelf, name: str) -> None:
        for number in range(15):
            await by.put({**patient(f"{name}-{number % 4}"), "multipleBirthInteger": number})

    async def follow() -> list[tuple[str, int, int]]:
        seen, after = [], 0
        while not done.is_set() or after < await shelf.store.head():
            for change in await shelf.store.changes(after, 7):
                seen.append((change.id, change.version, change.seq))
                after = change.seq
            await asyncio.sleep(0)
        return seen

    following = asyncio.create_task(follow())
    await asyncio.gather(*(write(by, f"{n}{k}") for n, by in enumerate((shelf, other)) for k in range(4)))
    done.set()
    seen = await following
    await other.store.close()
    assert len(seen) == 8 * 15
    assert len({(id, version) for id, version, _ in seen}) == len(seen)
    positions = [seq for _, _, seq in seen]
    assert positions == sorted(positions)
    for name in {id for id, _, _ in seen}:
        versions = [version for id, version, _ in seen if id == name]
        assert versions == sorted(versions)
    assert [(c.id, c.version, c.seq) for c in await shelf.store.changes(0)] == seen


async def test_what_ran_before_it_was_asked_for_can_be_read_once_the_feed_has_settled(shelf: Shelf) -> None:
    ran, go_on, moments = asyncio.Event(), asyncio.Event(), list[int]()

    async def work(transaction: Transaction) -> StoredVersion:
        stored = await shelf.put_in(transaction, patient("a"))
        moments.append(stored.updated)
        ran.set()
        await go_on.wait()
        return stored

    other = await shelf.another()
    writing = asyncio.create_task(shelf.store.commit(work))
    await ran.wait()
    moment = moments[0] + 5000
    settling = asyncio.create_task(other.store.settled(moment))
    await asyncio.sleep(0.2)
    go_on.set()
    await settling
    found = await other.store.read("Patient", "a")
    stored = await writing
    assert (found is not None) == (stored.updated < moment)
    await other.store.close()


async def test_a_consumer_keeps_its_position_and_only_a_rebuild_moves_it_back(shelf: Shelf) -> None:
    assert await shelf.store.position("index") == 0
    await shelf.store.advance("index", 7)
    await shelf.store.advance("index", 5)
    assert await shelf.store.position("index") == 7
    assert await shelf.store.position("other") == 0
    await shelf.store.advance("index", 0)
    assert await shelf.store.position("index") == 0


async def test_a_lease_is_one_owners_until_it_runs_out(shelf: Shelf) -> None:
    assert await shelf.store.lease("index", "one", 60)
    assert not await shelf.store.lease("index", "two", 60)
    assert [await shelf.store.holder(name) for name in ("index", "other")] == ["one", ""]
    assert await shelf.store.lease("index", "one", 0)
    assert await shelf.store.lease("other", "two", 60)
    await asyncio.sleep(0.01)
    assert await shelf.store.lease("index", "two", 60)
    assert not await shelf.store.lease("index", "one", 60)


async def test_consumers_that_are_no_more_are_forgotten(shelf: Shelf) -> None:
    names = ["one:a_b", "one:axb", "one:leased", "two:a"]
    for name in ("one:a_b", "one:axb", "two:a"):
        await shelf.store.advance(name, 7)
    assert await shelf.store.lease("one:leased", "me", 60)
    assert sorted(await shelf.store.consumers_named("one:")) == names[:3]
    assert await shelf.store.consumers_named("one:a_") == ["one:a_b"]
    await shelf.store.forget(["one:a_b", "one:leased", "never"])
    assert await shelf.store.consumers_named("one:") == ["one:axb"]
    assert [await shelf.store.position(name) for name in names] == [0, 7, 0, 7]
    assert await shelf.store.holder("one:leased") == "" and await shelf.store.lease("one:leased", "another", 60)


async def test_an_erasure_takes_all_but_a_change_that_says_so(shelf: Shelf) -> None:
    await shelf.put(patient("a"))
    await shelf.put(patient("a"))
    await shelf.put(patient("b"))
    assert await shelf.erase("Patient", "a") == 2
    assert await shelf.erase("Patient", "never") == 0
    assert await shelf.changes() == [("Patient", "b", 1, "PUT"), ("Patient", "a", 0, "ERASE")]
    assert await shelf.store.read("Patient", "a") is None
    assert await shelf.store.read_version("Patient", "a", 1) is None
    assert (await shelf.store.history("Patient", "a")).versions == []
    assert (await shelf.put(patient("a"))).version == 1


async def test_what_is_erased_and_put_anew_in_one_work_is_new(shelf: Shelf) -> None:
    await shelf.put(patient("a"))
    await shelf.put(patient("a"))

    async def work(transaction: Transaction) -> None:
        assert await transaction.erase("Patient", "a") == 2
        assert await transaction.read("Patient", "a") is None
        await shelf.put_in(transaction, patient("a"))

    await shelf.store.commit(work)
    assert [version.version for version in (await shelf.store.history("Patient", "a")).versions] == [1]


async def test_versions_are_never_older_than_those_before_them(shelf: Shelf) -> None:
    """A worker whose clock is an hour behind."""
    first = await shelf.put(patient("a"))
    behind = await shelf.another(lambda: first.updated - 3_600_000_000)
    second = await behind.put(patient("b"))
    third = await behind.put(patient("a"))
    await behind.store.close()
    assert first.updated <= second.updated <= third.updated


async def test_a_commit_that_the_caller_no_longer_waits_for_is_whole_or_absent(shelf: Shelf) -> None:
    async def work(transaction: Transaction) -> None:
        for number in range(20):
            await shelf.put_in(transaction, patient(f"c{number}"))

    task = asyncio.create_task(shelf.store.commit(work))
    await asyncio.sleep(0.005)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await shelf.put(patient("z"))
    assert len(await shelf.changes()) in (1, 21)


async def test_errors_of_works_are_theirs_alone(shelf: Shelf) -> None:
    async def good(transaction: Transaction) -> int:
        return (await shelf.put_in(transaction, patient("a"))).version

    async def bad(transaction: Transaction) -> None:
        await shelf.put_in(transaction, patient("b"))
        raise FhirError("conflict", [])

    results = await shelf.together(good, bad)
    assert results[0] == 1 and isinstance(results[1], FhirError)
    assert await shelf.changes() == [("Patient", "a", 1, "PUT")]


async def test_changes_of_types_come_without_the_others_and_tell_where_to_go_on(shelf: Shelf) -> None:
    for number in range(6):
        await shelf.put(patient(f"p{number}"))
        await shelf.put({"resourceType": "ValueSet" if number % 2 else "CodeSystem", "id": f"v{number}"})
    seen, after = [], 0
    while True:
        changes, following = await shelf.store.changes_of(("ValueSet", "CodeSystem", "Group"), after, limit=2)
        seen += [change.id for change in changes]
        if following == after:
            break
        after = following
    assert seen == [f"v{number}" for number in range(6)]
    assert after == await shelf.store.head()
    await shelf.put(patient("later"))
    assert await shelf.store.changes_of(("ValueSet",), after) == ([], await shelf.store.head())
