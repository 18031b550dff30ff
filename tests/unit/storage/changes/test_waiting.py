"""Until searches see what was in the feed: it must be written, and be shown."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.storage.changes.entries import Busy
from fhir_server.storage.changes.waiting import Waiting

pytestmark = pytest.mark.anyio


class Feed:
    """Of which only the newest position and that of one consumer are asked."""

    def __init__(self, newest: int) -> None:
        self.at = newest
        self.kept = 0

    async def newest(self) -> int:
        return self.at

    async def position(self, consumer: str) -> int:
        return self.kept


class Target:
    """Counts how often it is asked to show what it has."""

    def __init__(self) -> None:
        self.shown = 0
        self.busy = False

    async def show(self, consumer: str) -> None:
        self.shown += 1
        await asyncio.sleep(0)
        if self.busy:
            raise Busy


async def test_what_is_written_is_shown_once_for_all_that_wait_and_not_again() -> None:
    target = Target()
    waiting = Waiting(Feed(7), target.show)  # type: ignore[arg-type]
    waiting.told("index", 7)
    assert await asyncio.gather(*(waiting("index", 1.0) for _ in range(9))) == [7] * 9
    assert target.shown == 1
    assert await waiting("index", 1.0)
    assert target.shown == 1
    await waiting.close()


async def test_nothing_is_shown_before_it_is_written() -> None:
    target, feed = Target(), Feed(7)
    waiting = Waiting(feed, target.show)  # type: ignore[arg-type]
    waiting.told("index", 6)
    assert not await waiting("index", 0.02)
    assert target.shown == 0
    feed.kept = 7  # by another process
    assert await waiting("index", 5.0)
    assert target.shown == 1
    await waiting.close()


async def test_what_can_not_be_shown_is_not_seen() -> None:
    target = Target()
    waiting = Waiting(Feed(7), target.show)  # type: ignore[arg-type]
    waiting.told("index", 7)
    target.busy = True
    assert not await waiting("index", 1.0)
    target.busy = False
    assert await waiting("index", 1.0)
    await waiting.close()


async def test_what_this_process_can_not_write_may_be_written_by_another() -> None:
    target, feed = Target(), Feed(7)
    waiting = Waiting(feed, target.show)  # type: ignore[arg-type]
    waiting.away("index")
    assert not await waiting("index", 5.0)
    waiting.told("index", 0)  # another has the work now
    feed.kept = 7
    assert await waiting("index", 5.0)
    await waiting.close()
