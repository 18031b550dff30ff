"""When one more piece of work may begin."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.core.batching import Batching

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("under_way", "filled", "may"),
    [(0, False, True), (0, True, True), (1, False, False), (1, True, True), (2, False, False), (2, True, False)],
)
async def test_the_first_begins_at_once_another_with_enough_and_never_too_many(
    under_way: int, filled: bool, may: bool
) -> None:
    pacing = Batching(2, 1000, lambda: filled, lambda: None)
    pacing.begins()
    assert pacing.may_begin(under_way) == may
    pacing.close()


async def test_what_waits_is_called_once_a_moment_has_passed_and_may_begin_then() -> None:
    called: list[bool] = []
    pacing = Batching(2, 0.01, lambda: False, lambda: called.append(pacing.may_begin(1)))
    pacing.begins()
    assert not pacing.may_begin(1) and not pacing.may_begin(1)
    async with asyncio.timeout(10):
        while True not in called:
            await asyncio.sleep(0.001)
    pacing.begins()
    assert not pacing.may_begin(1)
    pacing.close()


async def test_after_closing_nothing_is_called() -> None:
    called: list[None] = []
    pacing = Batching(2, 0.001, lambda: False, lambda: called.append(None))
    pacing.begins()
    assert not pacing.may_begin(1)
    pacing.close()
    await asyncio.sleep(0.01)
    assert called == []
