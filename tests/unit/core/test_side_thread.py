"""What is given to one thread beside the event loop."""

from __future__ import annotations

import asyncio
import threading

import pytest

from fhir_server.core.side_thread import SideThread


def test_all_is_done_in_order_by_one_other_thread() -> None:
    done: list[tuple[int, str]] = []

    def work(number: int) -> int:
        done.append((number, threading.current_thread().name))
        return number * 2

    async def run() -> list[int]:
        side = SideThread("side")
        found = await asyncio.gather(*[side.run(work, number) for number in range(20)])
        side.close()
        return found

    assert asyncio.run(run()) == [number * 2 for number in range(20)]
    assert done == [(number, "side") for number in range(20)]


def test_what_is_raised_is_told_and_the_thread_goes_on() -> None:
    async def run() -> int:
        side = SideThread("side")
        with pytest.raises(ZeroDivisionError):
            await side.run(lambda: 1 // 0)
        try:
            return await side.run(len, "four")
        finally:
            side.close()

    assert asyncio.run(run()) == 4


def test_what_nobody_waits_for_any_more_is_done_all_the_same() -> None:
    begin, done = threading.Event(), threading.Event()

    async def run() -> None:
        side = SideThread("side")
        waiting = asyncio.ensure_future(side.run(begin.wait))
        side.run(done.set)
        await asyncio.sleep(0)
        waiting.cancel()
        begin.set()
        side.close()

    asyncio.run(run())
    assert done.is_set()


def test_the_end_of_the_event_loop_does_not_end_the_thread() -> None:
    begin, done = threading.Event(), threading.Event()
    side = SideThread("side")

    async def run() -> None:
        side.run(begin.wait)
        side.run(done.set)

    asyncio.run(run())
    begin.set()
    side.close()
    assert done.is_set()


def test_a_thread_with_nothing_to_do_has_ended_when_it_is_closed() -> None:
    async def run() -> None:
        side = SideThread("ends")
        await side.run(len, "four")
        side.close(wait=False)

    asyncio.run(run())
    assert "ends" not in [thread.name for thread in threading.enumerate()]


def test_closing_does_not_wait_for_what_takes_longer() -> None:
    begin = threading.Event()

    async def run() -> bool:
        side = SideThread("stays")
        side.run(begin.wait)
        side.close(wait=False)
        return begin.is_set()

    assert asyncio.run(run()) is False
    begin.set()
