"""Several processes feed an index, each its part of the keys."""

import asyncio
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from fhir_server.storage.changes.feeders import Feeder
from fhir_server.storage.changes.parts import Held, Parts, part_of, positions_of
from fhir_server.storage.changes.waiting import Waiting
from fhir_server.storage.mongo.feeders import MongoFeeders
from tests.contract.conftest import Shelf
from tests.distributed.conftest import Stores
from tests.distributed.feeding import CONSUMER, LEASE

pytestmark = pytest.mark.anyio

PARTS = 2
PATIENCE = 60.0  # seconds


class Feeding:
    """Processes of their own that feed."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self, stores: Stores) -> None:
        program = [sys.executable, "-m", "tests.distributed.feeding", stores.url, stores.name, str(PARTS)]
        self.processes.append(subprocess.Popen(program))

    def kill(self, number: int) -> None:
        process = self.processes.pop(number)
        process.kill()
        process.wait()


@pytest.fixture
def feeding() -> Iterator[Feeding]:
    found = Feeding()
    yield found
    while found.processes:
        found.kill(0)


async def shown(consumer: str) -> None:
    """A target that shows everything at once."""


async def write(shelf: Shelf, number: int) -> tuple[str, int]:
    version = await shelf.put({"resourceType": "Patient", "id": f"p{number}"})
    return f"Patient/{version.id}", version.seq


async def holders(shelf: Shelf) -> set[str]:
    return {await shelf.store.holder(f"{CONSUMER} part {number} of {PARTS}") for number in range(1, PARTS + 1)}


async def until(what) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await what():
            await asyncio.sleep(0.05)


async def caught_up(shelf: Shelf) -> tuple[int | None, dict[str, dict]]:
    """The position that a search waited for, and what was collected by then."""
    waiting = Waiting(shelf.store, shown, calls=shelf.store)
    try:
        seen = await waiting(CONSUMER, PATIENCE)
    finally:
        await waiting.close()
    return seen, {each["_id"]: each async for each in shelf.store.database.database[CONSUMER].find()}


async def test_each_feeds_its_part_and_where_one_is_killed_no_key_is_missed(stores: Stores, feeding: Feeding) -> None:
    chance = random.Random(5)
    shelf = await stores.open()
    for _ in range(PARTS):
        feeding.start(stores)

    async def all_share() -> bool:
        return len(await holders(shelf) - {""}) == PARTS

    await until(all_share)
    newest = dict([await write(shelf, number) for number in range(40)])
    _, collected = await caught_up(shelf)
    by = {(part_of("Patient", key.partition("/")[2], PARTS), *each["by"]) for key, each in collected.items()}
    assert (len(by), len({process for _, process in by})) == (PARTS, PARTS)  # each part by a process of its own

    for _ in range(2):
        feeding.kill(chance.randrange(len(feeding.processes)))
        newest |= dict([await write(shelf, chance.randrange(50)) for _ in range(40)])
        feeding.start(stores)
    feeding.kill(0)
    seen, collected = await caught_up(shelf)
    assert seen == max(newest.values())
    assert {key: each["change"] for key, each in collected.items()} == newest


async def test_a_search_waits_for_the_slowest_part(stores: Stores) -> None:
    shelf = await stores.open()
    one = Parts(shelf.store, CONSUMER, "one", LEASE, shelf.store.feeders, 2)
    other = Parts(shelf.store, CONSUMER, "other", LEASE, shelf.store.feeders, 2)
    await one.take()
    while (theirs := await other.take()) is None:
        await asyncio.sleep(LEASE / 3)
        await one.take()
    held = one.held
    assert held is not None and (set(held.positions), set(theirs.positions)) == ({0}, {1})
    assert await one.reach(held, 7) == 0
    assert await shelf.store.position(CONSUMER) == 0
    assert await other.reach(theirs, 5) == 5
    assert await shelf.store.position(CONSUMER) == 5
    assert await positions_of(shelf.store, CONSUMER, shelf.store.feeders) == (7, 5)


async def test_another_number_of_parts_begins_where_all_were_written(stores: Stores) -> None:
    shelf = await stores.open()
    two = Parts(shelf.store, CONSUMER, "two", LEASE, shelf.store.feeders, 2)
    held = await two.take()
    assert held is not None and held.whole
    await two.reach(held, 9)
    await two.leave()
    four = Parts(shelf.store, CONSUMER, "four", LEASE, shelf.store.feeders, 4)
    held = await four.take()
    assert held is not None and dict(held.positions) == dict.fromkeys(range(4), 9)
    await four.leave()
    alone = Parts(shelf.store, CONSUMER, "alone", LEASE, shelf.store.feeders, 1)
    held = await alone.take()
    assert held is not None and dict(held.positions) == {0: 9}


async def test_who_feeds_is_known_until_it_leaves_or_gives_no_sign(stores: Stores) -> None:
    shelf = await stores.open()
    feeders = shelf.store.feeders
    assert await feeders.join("index", Feeder("a", 2), 60) == [Feeder("a", 2)]
    assert await feeders.join("index", Feeder("b", 3), 0.05) == [Feeder("a", 2), Feeder("b", 3)]
    await asyncio.sleep(0.1)
    assert await feeders.join("index", Feeder("a", 2), 60) == [Feeder("a", 2)]
    assert await feeders.join("index", Feeder("b", 3), 60) == [Feeder("a", 2), Feeder("b", 3)]
    await feeders.leave("index", "a")
    assert await feeders.feeders("index") == [Feeder("b", 3)]
    assert await feeders.feeders("other") == []


async def test_a_command_takes_nothing_from_those_that_feed_and_feeds_where_nobody_does(stores: Stores) -> None:
    shelf = await stores.open()
    server = Parts(shelf.store, CONSUMER, "server", 60.0, shelf.store.feeders, 2)
    held = await server.take()
    assert held is not None and held.whole
    command = Parts(shelf.store, CONSUMER, "command", 60.0, MongoFeeders(shelf.store.database, standby=True), 4)
    assert await command.take() is None
    again = Parts(shelf.store, CONSUMER, "server", 60.0, shelf.store.feeders, 2)
    assert (await again.take()) == held
    assert await positions_of(shelf.store, CONSUMER, shelf.store.feeders) == (0, 0)
    await server.leave()
    held = await command.take()
    assert held is not None and (held.whole, held.of) == (True, 4)


async def test_who_goes_hands_its_work_over_at_once(stores: Stores) -> None:
    shelf = await stores.open()
    one = Parts(shelf.store, CONSUMER, "one", 60.0, shelf.store.feeders)
    other = Parts(shelf.store, CONSUMER, "other", 60.0, shelf.store.feeders)
    assert (await one.take(), await other.take() is None) == (Held({0: 0}, 1), True)
    await one.leave()
    assert await other.take() == Held({0: 0}, 1)
