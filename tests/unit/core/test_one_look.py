"""One look for all who asked before it began."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.core.one_look import OneLook

pytestmark = pytest.mark.anyio


class Looked:
    """Counts the looks; each ends when it is let go."""

    def __init__(self) -> None:
        self.looks = 0
        self.go = asyncio.Event()

    async def __call__(self) -> int:
        self.looks += 1
        found = self.looks
        await self.go.wait()
        return found


async def test_those_who_ask_at_one_moment_share_a_look() -> None:
    look = Looked()
    shared = OneLook(look)
    asked = [asyncio.create_task(shared()) for _ in range(5)]
    look.go.set()
    assert await asyncio.gather(*asked) == [1] * 5


async def test_who_asks_while_a_look_is_under_way_gets_the_next() -> None:
    look = Looked()
    shared = OneLook(look)
    first = asyncio.create_task(shared())
    while not look.looks:
        await asyncio.sleep(0)
    later = [asyncio.create_task(shared()) for _ in range(5)]
    await asyncio.sleep(0)
    look.go.set()
    assert (await first, await asyncio.gather(*later), look.looks) == (1, [2] * 5, 2)


async def test_who_goes_away_takes_nobody_along() -> None:
    look = Looked()
    shared = OneLook(look)
    gone, stays = asyncio.create_task(shared()), asyncio.create_task(shared())
    await asyncio.sleep(0)
    gone.cancel()
    look.go.set()
    assert await stays == 1


async def test_a_look_that_fails_fails_for_all_and_the_next_is_made_anew() -> None:
    looks = 0

    async def look() -> int:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise ValueError
        return looks

    shared = OneLook(look)
    for found in await asyncio.gather(shared(), shared(), return_exceptions=True):
        assert isinstance(found, ValueError)
    assert await shared() == 2


async def test_after_closing_nothing_is_under_way_and_nobody_waits() -> None:
    look = Looked()
    shared = OneLook(look)
    asked = [asyncio.create_task(shared())]
    while not look.looks:
        await asyncio.sleep(0)
    asked += [asyncio.create_task(shared()) for _ in range(2)]
    await asyncio.sleep(0)
    await shared.close()
    async with asyncio.timeout(10):
        problems = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(problem) for problem in problems] == [asyncio.CancelledError] * 3
    assert look.looks == 1
