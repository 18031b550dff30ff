"""Who waits for the feed is woken once it has got on, by looks that all who wait share."""

import asyncio

import pytest

from fhir_server.core.errors import FhirError, error
from fhir_server.interactions.followers import feed_watch
from fhir_server.interactions.followers.feed_watch import FeedWatch

pytestmark = pytest.mark.anyio


class Feed:
    def __init__(self) -> None:
        self.position, self.looks, self.problem = 5, 0, None

    async def newest(self) -> int:
        self.looks += 1
        if self.problem is not None:
            raise self.problem
        return self.position


@pytest.fixture(autouse=True)
def quick(monkeypatch) -> None:
    monkeypatch.setattr(feed_watch, "LOOK", 0.001)


async def test_those_behind_it_are_woken_and_the_others_wait_on():
    feed = Feed()
    watch = FeedWatch(feed)
    behind = [asyncio.ensure_future(watch.past(5, 30)) for _ in range(50)]
    ahead = asyncio.ensure_future(watch.past(6, 30))
    await asyncio.sleep(0)
    feed.position = 6
    assert await asyncio.gather(*behind) == [True] * 50
    assert feed.looks < 50
    assert not ahead.done()
    feed.position = 7
    assert await ahead


async def test_nobody_looks_while_nobody_waits():
    feed = Feed()
    assert not await FeedWatch(feed).past(5, 0.01)
    looks = feed.looks
    await asyncio.sleep(0.01)
    assert feed.looks == looks


async def test_a_feed_that_is_away_is_told_to_all_and_can_be_waited_for_again():
    feed = Feed()
    watch = FeedWatch(feed)
    feed.problem = error("unavailable", "away")
    told = await asyncio.gather(*(watch.past(5, 30) for _ in range(3)), return_exceptions=True)
    assert [type(each) for each in told] == [FhirError] * 3
    feed.problem, feed.position = None, 6
    assert await watch.past(5, 30)
