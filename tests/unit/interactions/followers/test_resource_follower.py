"""What follows the change feed says once that it can't."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from structlog.testing import capture_logs

from fhir_server.core.errors import error
from fhir_server.interactions.followers import resource_follower
from fhir_server.interactions.followers.resource_follower import ResourceFollower

pytestmark = pytest.mark.anyio


class Away:
    """A feed that ends to answer after its head was asked for."""

    asked = 0

    def __init__(self, problem: Exception) -> None:
        self.problem = problem

    async def head(self) -> int:
        return 0

    async def changes_of(self, *asked: Any) -> list[Any]:
        self.asked += 1
        raise self.problem


@pytest.mark.parametrize("problem", [error("unavailable", "away"), ValueError("a defect")])
async def test_a_feed_that_stays_away_is_told_once(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    monkeypatch.setattr(resource_follower, "LOOK_EVERY", 0.001)
    feed: Any = Away(problem)
    follower = ResourceFollower(feed, feed)
    with capture_logs() as lines:
        await follower.start()
        async with asyncio.timeout(10):
            while feed.asked < 5:
                await asyncio.sleep(0.001)
        await follower.stop()
    assert [(line["event"], line["times"]) for line in lines] == [("following waits", 1)]
