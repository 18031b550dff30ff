"""What every message store does: the embedded one, and MongoDB's where HMS_TEST_MONGODB_URL names a server."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from interfaces.hl7v2.messages.message import Arrival, Outcome
from interfaces.hl7v2.messages.owners import owner_name
from interfaces.hl7v2.messages.port import Letter, MessageStore, Wanted
from interfaces.hl7v2.messages.sqlite.store import SqliteMessageStore
from tests.conftest import HeldClock

pytestmark = pytest.mark.anyio

URL = "HMS_TEST_MONGODB_URL"
ME = owner_name()
OTHER = "elsewhere/1/2"
DONE = Outcome("done", "", ("Patient/1/_history/1",), "AA", b"the answer")

Open = Callable[[], Awaitable[MessageStore]]


@pytest.fixture(params=["sqlite", "mongodb"])
async def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the store of the test, as often as it likes."""
    clock = HeldClock()
    opened: list[MessageStore] = []
    name = f"test-{uuid.uuid4().hex[:16]}"
    if request.param == "mongodb" and URL not in os.environ:
        pytest.skip(f"{URL} names no server")

    async def start() -> MessageStore:
        if request.param == "sqlite":
            store: MessageStore = SqliteMessageStore(tmp_path / "hl7.sqlite", clock, synchronous="OFF")
        else:
            from interfaces.hl7v2.messages.mongo import open_store

            server, _, options = os.environ[URL].partition("?")
            store = await open_store(f"{server.rstrip('/')}/{name}?{options}", clock)
        opened.append(store)
        return store

    yield start
    for store in opened:
        await store.close()
    if request.param == "mongodb":
        from pymongo import MongoClient

        with MongoClient(os.environ[URL]) as client:
            client.drop_database(name)


@pytest.fixture
async def store(open_store: Open) -> MessageStore:
    store = await open_store()
    await store.alive(ME, 2**60)
    return store


def arrival(control: str, *patients: str, raw: bytes = b"", sender: str = "LAB|H", **others) -> Arrival:
    raw = raw or f"MSH {control}".encode()
    return Arrival(raw, "lab", sender, control, "ORU^R01", "2.5", patients, 1_000_000, **others)


async def test_a_message_is_kept_once(store: MessageStore):
    first = await store.keep(arrival("1", "A"), ME)
    again = await store.keep(arrival("1", "A"), ME)
    assert (first.novelty, first.claimed, first.message.state) == ("new", True, "translating")
    assert (again.novelty, again.claimed, again.message.id) == ("duplicate", False, first.message.id)
    assert await store.raw(first.message.id) == b"MSH 1"
    assert (await store.load(first.message.id)).steps[0].state == "received"


async def test_the_same_message_at_one_moment_is_kept_once(store: MessageStore):
    kept = await asyncio.gather(*(store.keep(arrival("1", "A"), ME) for _ in range(8)))
    assert sorted(each.novelty for each in kept) == ["duplicate"] * 7 + ["new"]


async def test_another_message_with_the_same_id(store: MessageStore):
    await store.keep(arrival("1", "A"), ME)
    other = await store.keep(arrival("1", "A", raw=b"else"), ME, "used twice")
    assert (other.novelty, other.message.state, other.message.reason, other.message.alarm) == (
        "other", "failed", "used twice", True,
    )  # fmt: skip
    applied = await store.keep(arrival("1", "A", raw=b"once more"), ME)
    assert (applied.novelty, applied.message.state) == ("other", "received")
    assert (await store.keep(arrival("1", "A", sender="X|Y"), ME)).novelty == "new"
    assert [found.id for found in await store.find(Wanted(alarm=True))] == [applied.message.id, other.message.id]


async def test_a_large_message(store: MessageStore):
    raw = os.urandom(20 * 2**20)
    kept = await store.keep(arrival("1", raw=raw), ME)
    assert await store.raw(kept.message.id) == raw


async def test_the_next_of_a_patient_follows_when_the_one_before_is_settled(store: MessageStore):
    kept = [await store.keep(arrival(str(number), "A"), ME) for number in range(3)]
    assert [each.claimed for each in kept] == [True, False, False]
    assert await store.claim(ME, 10) == []
    following = await store.finish(kept[0].message, ME, DONE, 5)
    assert [each.control for each in following] == ["1"]
    found = await store.load(kept[0].message.id)
    assert (found.state, found.links, found.code, found.answer) == ("done", DONE.links, "AA", b"the answer")
    assert [step.state for step in found.steps] == ["received", "translating", "done"]


async def test_a_merge_takes_both_patients(store: MessageStore):
    a, b = [await store.keep(arrival(number, number), ME) for number in "AB"]
    merge = await store.keep(arrival("merge", "A", "B"), ME)
    after = await store.keep(arrival("after", "B"), ME)
    assert not merge.claimed and not after.claimed
    assert await store.finish(a.message, ME, DONE, 5) == []
    following = await store.finish(b.message, ME, DONE, 5)
    assert [each.control for each in following] == ["merge"]
    assert [each.control for each in await store.finish(following[0], ME, DONE, 5)] == ["after"]


async def test_only_the_owner_settles(store: MessageStore):
    kept = await store.keep(arrival("1", "A"), ME)
    assert await store.finish(kept.message, OTHER, DONE, 5) == []
    assert (await store.load(kept.message.id)).state == "translating"


async def test_a_dead_owners_messages_are_taken_over(store: MessageStore):
    await store.alive(OTHER, 2**60)
    kept = await store.keep(arrival("1", "A"), OTHER)
    assert await store.claim(ME, 10) == []
    await store.alive(OTHER, 0)
    assert [each.id for each in await store.claim(ME, 10)] == [kept.message.id]
    assert await store.finish(kept.message, OTHER, DONE, 5) == []


async def test_owners_tell_of_their_connections(store: MessageStore):
    await store.alive(ME, 2**60, {"lab": 2, "adt": 1})
    await store.alive(OTHER, 2**60, {"lab": 4})
    await store.alive(OTHER, 2**60, {"lab": 3})
    assert await store.connections(5, ME) == {"lab": 3}
    assert await store.connections(5, "third") == {"lab": 5, "adt": 1}
    await store.gone(OTHER)
    assert await store.connections(5, ME) == {}


async def test_what_a_worker_that_stops_has_is_free(store: MessageStore):
    await store.alive(OTHER, 2**60)
    kept = await store.keep(arrival("1", "A"), OTHER)
    await store.gone(OTHER)
    assert [each.id for each in await store.claim(ME, 10)] == [kept.message.id]


async def test_a_message_waits_for_its_patient(store: MessageStore):
    one = await store.keep(arrival("1", "A"), ME)
    assert await store.finish(one.message, ME, Outcome("waiting", "unknown"), 5) == []
    two = await store.keep(arrival("2", "A"), ME)
    assert two.claimed
    assert [each.control for each in await store.overdue(2**60)] == ["1"]
    released = await store.finish(two.message, ME, Outcome("done", releases=("A",)), 6)
    assert [(each.control, each.state) for each in released] == [("1", "translating")]
    assert await store.overdue(2**60) == []


async def test_reopening_and_dismissing(store: MessageStore):
    kept = await store.keep(arrival("1", "A"), ME)
    id = kept.message.id
    assert not await store.reopen(id, None, "x", ("A",), 5)
    assert not await store.dismiss(id, "x", 5)
    await store.finish(kept.message, ME, Outcome("failed", "bad"), 5)
    assert await store.reopen(id, b"better", "corrected", ("B",), 6)
    (again,) = await store.claim(ME, 10)
    assert (again.attempt, again.revision, again.patients) == (1, 1, ("B",))
    assert (await store.raw(id), await store.raw(id, 0)) == (b"better", b"MSH 1")
    await store.finish(again, ME, Outcome("failed", "still bad"), 7)
    assert await store.dismiss(id, "dismissed: enough", 8)
    found = await store.load(id)
    assert (found.state, found.reason) == ("ignored", "dismissed: enough")
    assert [step.state for step in found.steps] == [
        "received", "translating", "failed", "received", "translating", "failed", "ignored",
    ]  # fmt: skip


async def test_messages_are_found(store: MessageStore):
    for number in range(5):
        kept = await store.keep(arrival(f"c{number}", f"P{number % 2}", sender=f"S{number % 2}|H"), ME)
        if kept.claimed:
            await store.finish(kept.message, ME, Outcome("failed", f"reason {number}"), 5)

    async def controls(**wanted) -> list[str]:
        return [found.control for found in await store.find(Wanted(**wanted))]

    assert await controls() == ["c4", "c3", "c2", "c1", "c0"]
    assert await controls(oldest_first=True, limit=2) == ["c0", "c1"]
    assert await controls(sender="S1|H") == ["c3", "c1"]
    assert await controls(patient="P0") == ["c4", "c2", "c0"]
    assert await controls(text="reason 3") == ["c3"]
    assert await controls(text=".") == []
    assert await controls(kind="oru") == ["c4", "c3", "c2", "c1", "c0"]
    assert await controls(state="done") == []
    ids = [found.id for found in await store.find(Wanted())]
    assert await controls(before=ids[1]) == ["c2", "c1", "c0"]
    assert await controls(after=ids[1]) == ["c4"]
    assert await controls(since=1_000_001) == [] and await controls(until=1_000_000) == []
    assert {(tally.sender, tally.state): tally.count for tally in await store.tallies()} == {
        ("S0|H", "failed"): 3,
        ("S1|H", "failed"): 2,
    }
    assert ("S0|H", "new", 3) in await store.counters()
    assert len(await store.settled(ids)) == 5


async def test_old_messages_are_removed(store: MessageStore):
    kept = await store.keep(arrival("1", "A"), ME)
    await store.finish(kept.message, ME, DONE, 100)
    assert await store.purge(100, ("done",)) == 0
    assert await store.purge(101, ("failed",)) == 0
    assert await store.purge(101, ("done",)) == 1
    assert await store.load(kept.message.id) is None
    assert await store.raw(kept.message.id) == b""


async def test_a_lease_is_one_owners(store: MessageStore):
    assert await store.lease("tidy", ME, 10, 20)
    assert not await store.lease("tidy", OTHER, 15, 25)
    assert await store.lease("tidy", ME, 15, 30)
    assert await store.lease("tidy", OTHER, 31, 40)


async def test_letters_are_queued_once_in_order(store: MessageStore):
    letters = [Letter(0, "adt", key, "ADT^A08", key, b"m", "queued", 1, 1) for key in ("a", "b")]
    assert await store.position("destination adt") == -1
    await store.post("destination adt", 7, letters)
    await store.post("destination adt", 5, letters)
    assert await store.position("destination adt") == 7
    first = await store.next_letter("adt")
    assert first is not None and first.key == "a"
    await store.mark(first.id, "accepted", "AA", b"ack", 9, 1)
    found = await store.letter(first.id)
    assert found is not None and (found.state, found.tries, found.answer) == ("accepted", 1, b"ack")
    following = await store.next_letter("adt")
    assert following is not None and following.key == "b"
    assert [letter.key for letter in await store.letters("adt")] == ["b", "a"]
    assert {(tally.state, tally.count) for tally in await store.letter_tallies()} == {("accepted", 1), ("queued", 1)}


async def test_what_is_kept_is_there_after_opening_again(open_store: Open):
    one = await open_store()
    kept = await one.keep(arrival("1", "A"), "gone/1/2")
    two = await open_store()
    assert (await two.load(kept.message.id)).control == "1"
    await two.alive("gone/1/2", 0)
    assert [each.control for each in await two.claim(ME, 5)] == ["1"]


async def test_two_processes_never_have_the_messages_of_one_patient(open_store: Open):
    stores = [await open_store(), await open_store()]
    owners = [ME, "beside/1/2"]
    running: set[str] = set()
    order: dict[str, list[str]] = {}

    async def apply(number: int, message) -> None:
        patient = message.patients[0]
        assert patient not in running
        running.add(patient)
        await asyncio.sleep(0.001)
        order.setdefault(patient, []).append(message.control)
        running.discard(patient)
        for following in await stores[number].finish(message, owners[number], DONE, 5):
            await apply(number, following)

    async def worker(number: int) -> None:
        await stores[number].alive(owners[number], 2**60)
        for turn in range(30):
            kept = await stores[number].keep(arrival(f"{number}-{turn}", f"P{turn % 3}"), owners[number])
            if kept.claimed:
                await apply(number, kept.message)

    await asyncio.gather(worker(0), worker(1))
    for _ in range(50):
        taken = [(number, each) for number in (0, 1) for each in await stores[number].claim(owners[number], 10)]
        for number, each in taken:
            await apply(number, each)
        if sum(map(len, order.values())) == 60:
            break
    assert sum(map(len, order.values())) == 60
    for controls in order.values():
        for number in "01":
            turns = [int(control[2:]) for control in controls if control[0] == number]
            assert turns == sorted(turns)


async def settled(store: MessageStore, control: str, outcome: Outcome, *patients: str) -> int:
    kept = await store.keep(arrival(control, *patients), ME)
    await store.finish(kept.message, ME, outcome, 7)
    return kept.message.id


async def test_what_is_erased_leaves_its_row_in_every_state(store: MessageStore):
    done = await settled(store, "1", DONE, "A")
    other = await settled(store, "2", Outcome("done", "", ("Patient/10/_history/1",)), "B")
    failed = await settled(store, "3", Outcome("failed", "its patient is not known: A", (), "AE", b"no"), "A")
    waiting = await settled(store, "4", Outcome("waiting", "its patient is not known"), "A")
    first = (await store.keep(arrival("5", "C"), ME)).message
    received = (await store.keep(arrival("6", "C"), ME)).message
    erased = await store.erase("Patient/1", [failed, waiting, received.id, first.id])
    assert sorted(each.id for each in erased) == [done, failed, waiting, received.id]
    for message in erased:
        found = await store.load(message.id)
        assert found is not None and found.erased and not (found.patients or found.links or found.answer)
        assert "known" not in str(found.steps) and await store.raw(message.id) == b""
        assert found.state == ("done" if message.id == done else "ignored")
        assert not await store.reopen(message.id, None, "replayed", (), 9)
    assert await store.raw(other) == b"MSH 2" and await store.raw(first.id) == b"MSH 5"
    assert await store.find(Wanted(patient="A")) == []
    assert (await store.keep(arrival("3", "A"), ME)).novelty == "duplicate"
    assert await store.finish(first, ME, Outcome("done", releases=("A",)), 9) == []
    assert (await store.keep(arrival("7", "C"), ME)).claimed
    assert await store.erase("Patient/1", [failed]) == []


async def test_letters_of_a_record_are_erased_and_not_made_again(store: MessageStore):
    made = [Letter(0, "lab", key, "ORU", "c", b"secret", "queued", 1, 1)
            for key in ("Observation/1/_history/1", "Observation/1/_history/2", "Observation/10/_history/1", "answer x")
            ]  # fmt: skip
    await store.post("", 0, made)
    sending = await store.next_letter("lab")
    assert sending is not None
    await store.mark(sending.id, "sent", "", b"", 2, 1)
    assert await store.erase_letters({"Observation/1", "answer x"}) == 3
    await store.mark(sending.id, "accepted", "AA secret", b"MSA secret", 3)
    left = {letter.key: letter for letter in await store.letters()}
    assert left["Observation/10/_history/1"].body == b"secret"
    for key in ("Observation/1/_history/1", "Observation/1/_history/2", "answer x"):
        assert (left[key].state, left[key].body, left[key].answer) == ("dropped", b"", b"")
    await store.post("", 0, made)
    assert len(await store.letters()) == 4
    following = await store.next_letter("lab")
    assert following is not None and following.key == "Observation/10/_history/1"
    assert await store.erase_letters({"Observation/1"}) == 0
