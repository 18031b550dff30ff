"""Look-ups by keys of those who ask at one moment."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fhir_server.core import lookups
from fhir_server.core.lookups import Lookups

pytestmark = pytest.mark.anyio


class Looked:
    """Keeps what was asked for; a look ends when it is let go, and finds nothing for "none"."""

    def __init__(self) -> None:
        self.asked: list[Sequence[str]] = []
        self.go = asyncio.Event()

    async def __call__(self, keys: Sequence[str]) -> dict[str, int]:
        self.asked.append(keys)
        number = len(self.asked)
        await self.go.wait()
        if "wrong" in keys:
            raise ValueError(keys)
        return {key: number for key in keys if key != "none"}


async def until(asked: Looked, looks: int) -> None:
    while len(asked.asked) < looks:
        await asyncio.sleep(0.001)


async def test_what_is_asked_for_at_one_moment_is_looked_up_together() -> None:
    look = Looked()
    look.go.set()
    found = Lookups(look)
    assert await asyncio.gather(*(found(key) for key in ("a", "b", "a", "none"))) == [1, 1, 1, None]
    assert look.asked == [["a", "b", "none"]]


async def test_who_asks_while_a_look_is_under_way_is_answered_by_the_next() -> None:
    look = Looked()
    found = Lookups(look)
    first = asyncio.create_task(found("a"))
    await until(look, 1)
    later = [asyncio.create_task(found(key)) for key in ("a", "b")]
    await asyncio.sleep(0)
    look.go.set()
    assert (await first, await asyncio.gather(*later)) == (1, [2, 2])


async def test_a_look_that_takes_long_holds_nobody_up_until_there_are_many() -> None:
    look = Looked()
    found = Lookups(look)
    asked = []
    for number in range(lookups.AT_ONCE):
        asked.append(asyncio.create_task(found(f"key {number}")))
        await until(look, number + 1)
    asked += [asyncio.create_task(found(key)) for key in ("late", "later")]
    await asyncio.sleep(2 * lookups.BRIEFLY)
    assert len(look.asked) == lookups.AT_ONCE
    look.go.set()
    await asyncio.gather(*asked)
    assert look.asked[lookups.AT_ONCE :] == [["late", "later"]]


async def test_no_look_has_more_than_so_many_keys() -> None:
    look = Looked()
    look.go.set()
    found = Lookups(look)
    await asyncio.gather(*(found(str(number)) for number in range(lookups.MOST + 1)))
    assert [len(keys) for keys in look.asked] == [lookups.MOST, 1]


async def test_what_a_look_raises_all_its_askers_get_and_the_next_is_made() -> None:
    look = Looked()
    look.go.set()
    found = Lookups(look)
    problems = await asyncio.gather(found("wrong"), found("a"), return_exceptions=True)
    assert [type(problem) for problem in problems] == [ValueError, ValueError]
    assert await found("a") == 2


async def test_who_goes_away_takes_nobody_along() -> None:
    look = Looked()
    found = Lookups(look)
    gone, stays = asyncio.create_task(found("a")), asyncio.create_task(found("a"))
    await until(look, 1)
    gone.cancel()
    look.go.set()
    assert await stays == 1


async def test_after_closing_nothing_is_under_way_and_nobody_waits() -> None:
    look = Looked()
    found = Lookups(look)
    asked = [asyncio.create_task(found("a"))]
    await until(look, 1)
    asked += [asyncio.create_task(found(key)) for key in ("a", "b")]
    await asyncio.sleep(0)
    begun = len(look.asked)  # a second look begins where 5 ms have passed
    await found.close()
    async with asyncio.timeout(10):
        problems = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(problem) for problem in problems] == [asyncio.CancelledError] * 3
    assert len(look.asked) == begun


async def test_who_asks_at_the_moment_of_closing_is_not_left_waiting() -> None:
    found = Lookups(Looked())
    asked = asyncio.create_task(found("a"))
    await asyncio.sleep(0)
    await found.close()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(10):
            await asked
