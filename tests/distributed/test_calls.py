"""A projector takes its time between bulks, but for a search that waits, in whichever process."""

import asyncio
from collections.abc import Sequence

import pytest

from fhir_server.core.tasks import end
from fhir_server.storage.changes import projector as projectors
from fhir_server.storage.changes.entries import Entry, Refused
from fhir_server.storage.changes.projector import Projector
from fhir_server.storage.changes.reading import Reading
from fhir_server.storage.changes.waiting import Waiting
from tests.distributed.conftest import Stores

pytestmark = pytest.mark.anyio


class Taken:
    """A target that keeps the names of what it was given."""

    consumer = "taken"

    def __init__(self) -> None:
        self.names: list[str] = []

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        self.names += [entry.id for entry in entries]
        return []


async def shown(consumer: str) -> None:
    """A target that shows everything at once."""


async def test_a_search_in_another_process_calls_the_projector(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    feeding, searching = await stores.open(), await stores.open()
    target = Taken()
    projector = Projector(feeding.store, Reading(feeding.store.exact, lambda body: []), target, calls=feeding.store)
    running = asyncio.create_task(projector.run())
    waiting = Waiting(searching.store, shown, calls=searching.store)
    try:
        first = await searching.put({"resourceType": "Patient", "id": "a"})
        assert await waiting("taken", 20.0) == first.seq
        monkeypatch.setattr(projectors, "UNCALLED", 3600.0)
        second = await searching.put({"resourceType": "Patient", "id": "b"})
        assert await waiting("taken", 20.0) == second.seq
        third = await searching.put({"resourceType": "Patient", "id": "c"})
        assert await waiting("taken", 20.0) == third.seq
        assert target.names == ["a", "b", "c"]
    finally:
        await end(running)
        await waiting.close()


async def test_what_is_wanted_only_grows(stores: Stores) -> None:
    one, other = await stores.open(), await stores.open()
    assert await one.store.wanted("index") == 0
    await one.store.want("index", 7)
    await other.store.want("index", 5)
    assert await other.store.wanted("index") == 7
    assert await other.store.position("index") == 0
