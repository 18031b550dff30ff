"""Coroutines that do not wait, and one that does."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.core.at_once import at_once


async def inner() -> int:
    return 3


async def outer() -> int:
    return 1 + await inner()


def test_what_does_not_wait_gives_its_outcome() -> None:
    assert at_once(outer()) == 4


def test_what_it_raises_is_raised() -> None:
    async def failing() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        at_once(failing())


def test_what_waits_is_ended() -> None:
    ended = []

    async def waiting() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            ended.append(True)

    with pytest.raises(RuntimeError, match="should not wait"):
        at_once(waiting())
    assert ended == [True]
