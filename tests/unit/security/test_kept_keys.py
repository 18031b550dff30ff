"""When keys of others are looked for anew, and what counts while they can't be had."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.security.kept_keys import KeptKeys
from fhir_server.security.outgoing.requests import UnansweredError
from tests.conftest import HeldClock

pytestmark = pytest.mark.anyio

PAUSE, KEPT = 10, 300
BOTH = pytest.mark.parametrize("lasting", [False, True])


class Owner:
    """Has keys; asked: how often it was looked for them."""

    def __init__(self, *, lasting: bool) -> None:
        self.kids, self.seconds, self.away, self.asked = ["a"], KEPT, False, 0
        self.clock = HeldClock()
        self.keys = KeptKeys(self.look, self.clock, PAUSE, lasting=lasting)

    async def look(self) -> tuple[tuple[str, ...], list[str], int]:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise UnansweredError("away")
        return tuple(self.kids), self.kids, self.seconds

    async def has(self, kid: str) -> bool:
        return kid in await self.keys.having(kid)

    def later(self, seconds: int) -> None:
        self.clock.now += seconds * 1_000_000


@BOTH
async def test_keys_are_kept_for_their_time(lasting: bool) -> None:
    owner = Owner(lasting=lasting)
    for _ in range(3):
        assert await owner.has("a")
    owner.later(KEPT - 1)
    assert await owner.has("a") and owner.asked == 1
    owner.later(1)
    owner.kids = ["b"]
    assert not await owner.has("a") and owner.asked == 2


@BOTH
async def test_who_asks_at_one_moment_shares_what_is_found(lasting: bool) -> None:
    owner = Owner(lasting=lasting)
    await asyncio.gather(*(owner.has("a") for _ in range(10)))
    assert owner.asked == 1


@BOTH
async def test_an_unknown_key_is_looked_for_once_in_a_pause(lasting: bool) -> None:
    owner = Owner(lasting=lasting)
    assert await owner.has("a") and not await owner.has("b") and owner.asked == 1
    owner.kids = ["a", "b"]
    owner.later(PAUSE)
    assert await owner.has("b") and not await owner.has("c") and owner.asked == 2


@BOTH
async def test_known_keys_are_not_held_up_by_a_look_for_an_unknown_one(lasting: bool) -> None:
    owner = Owner(lasting=lasting)
    await owner.has("a")
    owner.later(PAUSE)
    looking = asyncio.create_task(owner.has("b"))
    await asyncio.sleep(0)
    assert owner.asked == 2 and not looking.done() and await owner.has("a")
    assert not looking.done() and not await looking


async def test_what_may_not_be_kept_is_looked_for_each_time() -> None:
    owner = Owner(lasting=False)
    owner.seconds = 0
    for _ in range(3):
        assert await owner.has("a")
    assert owner.asked == 3


async def test_keys_whose_time_is_over_end_unless_they_last() -> None:
    for lasting in (False, True):
        owner = Owner(lasting=lasting)
        await owner.has("a")
        owner.later(KEPT)
        owner.away = True
        for asked in (2, 3):
            if lasting:
                assert await owner.has("a")
            else:
                with pytest.raises(UnansweredError, match="away"):
                    await owner.has("a")
            assert owner.asked == (2 if lasting else asked)


async def test_after_a_failure_there_is_a_pause_where_keys_last() -> None:
    for lasting in (False, True):
        owner = Owner(lasting=lasting)
        owner.away = True
        with pytest.raises(UnansweredError):
            await owner.has("a")
        owner.away = False
        if lasting:
            with pytest.raises(UnansweredError):
                await owner.has("a")
            owner.later(PAUSE)
        assert await owner.has("a") and owner.asked == 2
