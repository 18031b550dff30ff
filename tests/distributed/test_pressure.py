"""Works wait for an index that is behind."""

import asyncio

import pytest

from fhir_server.storage.changes import pressure as module
from fhir_server.storage.changes.pressure import HELD, Pressure
from tests.distributed.conftest import Stores

pytestmark = pytest.mark.anyio

PATIENCE = 30.0  # seconds


async def test_a_work_waits_until_the_index_has_got_on_or_for_so_long(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK", 0.001)
    now, reached, held = 100.0, 0, asyncio.Event()
    shelf = await stores.open()

    async def position() -> int:
        return reached

    class Watched(Pressure):
        @property
        def full(self) -> bool:
            if super().full:
                held.set()
                return True
            return False

    shelf.store.use(None, Watched(1.0, position, lambda: now))
    first = await shelf.put({"resourceType": "Patient", "id": "a"})
    now += 1.5
    waiting = asyncio.create_task(shelf.put({"resourceType": "Patient", "id": "b"}))
    async with asyncio.timeout(PATIENCE):
        await held.wait()
        assert not waiting.done()
        reached = first.seq
        second = await waiting
    now += 1.5
    held.clear()
    waiting = asyncio.create_task(shelf.put({"resourceType": "Patient", "id": "c"}))
    async with asyncio.timeout(PATIENCE):
        await held.wait()
        now += HELD
        assert (await waiting).seq > second.seq
