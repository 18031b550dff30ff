"""Writes wait for an index that is behind and gets on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from fhir_server.core.errors import error
from fhir_server.storage.changes import pressure as module
from fhir_server.storage.changes.pressure import FAR, HELD, STUCK, Pressure

pytestmark = pytest.mark.anyio


class Index:
    """Says how far it is, at a time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.reached: int | None = 0
        self.asked = 0
        self.away = False
        self.pressure = Pressure(1.0, self.position, lambda: self.now)

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


@pytest.fixture
async def index(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Index]:
    monkeypatch.setattr(module, "LOOK", 0.001)
    found = Index()
    yield found
    await found.pressure.close()


async def test_writes_wait_while_the_index_is_behind_and_no_longer(index: Index) -> None:
    pressure = index.pressure
    pressure.stored(10)
    assert (pressure.hold(), pressure.small) == (0.0, False)
    index.now += 0.6
    assert (pressure.hold(), pressure.small) == (0.0, True)
    pressure.stored(20)
    index.now += 0.6
    assert pressure.hold() > 0.0
    await index.looked(10)
    assert (pressure.hold(), pressure.small, round(pressure.behind, 3)) == (0.0, True, 0.6)
    index.now += 0.6
    assert pressure.hold() > 0.0
    index.reached = 20
    async with asyncio.timeout(10):
        while pressure.behind:
            await asyncio.sleep(0.001)
    assert (pressure.hold(), pressure.small) == (0.0, False)


async def test_no_commit_waits_longer_than_so_long(index: Index) -> None:
    pressure = index.pressure
    pressure.stored(10)
    index.now += 1.5
    assert pressure.hold() > 0.0
    index.now += HELD / 2
    assert pressure.hold() > 0.0
    index.now += HELD / 2
    assert pressure.hold() == 0.0  # this one begins,
    assert pressure.hold() > 0.0  # and the next waits anew
    assert pressure.small


@pytest.mark.parametrize("answer", [0, None, "away"])
async def test_nobody_waits_for_an_index_that_does_not_get_on(index: Index, answer: int | str | None) -> None:
    index.away, index.reached = answer == "away", None if isinstance(answer, str) else answer
    index.pressure.stored(10)
    index.now += STUCK + 0.1
    await index.looked(index.reached)
    assert (index.pressure.hold(), index.pressure.small) == (0.0, False)


async def test_nobody_waits_for_an_index_that_has_far_to_go(index: Index) -> None:
    index.pressure.stored(10)
    index.now += 1
    index.pressure.stored(20)
    index.now += FAR + 1
    await index.looked(10)
    assert index.pressure.hold() == 0.0
    assert index.pressure.behind == FAR + 1


async def test_without_a_limit_nobody_waits_and_nothing_is_asked() -> None:
    pressure = Pressure()
    pressure.stored(10)
    assert (pressure.behind, pressure.hold(), pressure.small) == (0.0, 0.0, False)
    await pressure.close()
