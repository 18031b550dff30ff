"""Writes under way at one time, settled in their order."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.storage.changes.flight import Flight

pytestmark = pytest.mark.anyio


class Writes:
    """Writes that each end when they are let go; one may fail."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.go = {number: asyncio.Event() for number in range(1, 6)}
        self.fails = 0

    def write(self, number: int):
        async def run() -> None:
            self.begun.append(number)
            await self.go[number].wait()
            if number == self.fails:
                raise ValueError(number)

        return run


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_so_many_are_under_way_and_no_more() -> None:
    writes, flight = Writes(), Flight(2)

    async def begin() -> None:
        for number in (1, 2, 3):
            await flight.begin(writes.write(number), number * 10)

    beginning = asyncio.create_task(begin())
    await turns()
    assert writes.begun == [1, 2]
    writes.go[1].set()
    await beginning
    await turns()
    assert (writes.begun, flight.done) == ([1, 2, 3], 10)
    await flight.abandon()


async def test_what_is_done_early_counts_only_once_all_before_it_is() -> None:
    writes, flight = Writes(), Flight(3)
    for number in (1, 2):
        await flight.begin(writes.write(number), number * 10)
    writes.go[2].set()
    await turns()
    await flight.begin(writes.write(3), 30)
    assert flight.done == 0
    for number in (1, 3):
        writes.go[number].set()
    await flight.land()
    assert flight.done == 30


async def test_what_fails_is_told_and_nothing_after_it_counts() -> None:
    writes, flight = Writes(), Flight(3)
    writes.fails = 2
    for number in (1, 2, 3):
        writes.go[number].set()
        await flight.begin(writes.write(number), number * 10)
    with pytest.raises(ValueError, match="2"):
        await flight.land()
    assert flight.done == 10
    await flight.abandon()
    assert flight.done == 10
