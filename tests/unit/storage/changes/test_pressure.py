"""Works wait for an index that is behind and gets on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fhir_server.core.errors import error
from fhir_server.storage.changes import pressure as module
from fhir_server.storage.changes.pressure import FAR, FEW, HELD, STUCK, Pressure

pytestmark = pytest.mark.anyio


class Index:
    """Says how far it is, at a time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reached: int | None = 0
        self.asked = 0
        self.away = False
        self.pressure = Pressure(1.0, self.position, lambda: self.now)
        self.ran: list[str] = []
        self.go = asyncio.Event()

    async def position(self) -> int | None:
        self.asked += 1
        if self.away:
            raise error("unavailable", "away")
        return self.reached

    async def looked(self, reached: int | None) -> None:
        """It has reached this, and that was seen."""
        self.reached = reached
        before = self.asked
        while self.asked < before + 2:  # the first may have asked before
            await asyncio.sleep(0.001)

    async def work(self, name: str) -> None:
        async with self.pressure.turn():
            self.ran.append(name)
            await self.go.wait()


@pytest.fixture
async def index(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Index]:
    for name in ("LOOK", "SELDOM", "AGAIN"):
        monkeypatch.setattr(module, name, 0.001)
    found = Index()
    yield found
    await found.pressure.close()


async def test_works_wait_while_the_index_is_behind_and_no_longer(index: Index) -> None:
    pressure = index.pressure
    pressure.stored(10)
    assert not pressure.full
    index.now += 0.6
    pressure.stored(20)
    assert not pressure.full
    index.now += 0.6
    assert pressure.full
    await index.looked(10)
    assert (pressure.full, round(pressure.behind, 3)) == (False, 0.6)
    index.now += 0.6
    assert pressure.full
    index.reached = 20
    async with asyncio.timeout(10):
        while pressure.behind:
            await asyncio.sleep(0.001)
    assert not pressure.full


async def test_who_waits_runs_in_the_order_in_which_it_came_few_at_a_time(index: Index) -> None:
    index.pressure.stored(10)
    index.now += 0.1
    index.pressure.stored(20)
    index.now += 1.0
    names = [str(number) for number in range(FEW + 2)]
    works = [asyncio.create_task(index.work(name)) for name in names]
    await asyncio.sleep(0.02)
    assert index.ran == []
    index.now -= 0.2  # what was stored second is past half of the limit only
    await index.looked(10)
    async with asyncio.timeout(10):
        while len(index.ran) < FEW:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.02)
    assert index.ran == names[:FEW]
    index.go.set()
    await asyncio.gather(*works)
    assert index.ran == names


async def test_nobody_waits_longer_than_so_long(index: Index) -> None:
    index.go.set()
    index.pressure.stored(10)
    index.pressure.stored(20)
    index.now += 1.5
    work = asyncio.create_task(index.work("a"))
    await asyncio.sleep(0.02)
    assert index.ran == []
    index.now += HELD
    async with asyncio.timeout(10):
        await work


@pytest.mark.parametrize("answer", [0, None, "away"])
async def test_nobody_waits_for_an_index_that_does_not_get_on(index: Index, answer: int | str | None) -> None:
    index.away, index.reached = answer == "away", None if isinstance(answer, str) else answer
    index.pressure.stored(10)
    index.now += STUCK + 0.1
    await index.looked(index.reached)
    assert not index.pressure.full


async def test_an_index_that_does_not_get_on_is_seldom_looked_at(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SELDOM", 1000)
    index.pressure.stored(10)
    await asyncio.sleep(0)  # the looking begins
    index.now += STUCK
    async with asyncio.timeout(10):
        while not index.asked:
            await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    assert index.asked == 1


async def test_nobody_waits_for_an_index_that_has_far_to_go(index: Index) -> None:
    index.pressure.stored(10)
    index.now += 1
    index.pressure.stored(20)
    index.now += FAR + 1
    await index.looked(10)
    assert (index.pressure.full, index.pressure.behind) == (False, FAR + 1)


async def test_without_a_limit_nobody_waits_and_nothing_is_asked() -> None:
    pressure = Pressure()
    pressure.stored(10)
    async with pressure.turn():
        assert (pressure.behind, pressure.full) == (0.0, False)
    await pressure.close()
