"""How long the keys at a client's jwks_uri are kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from fhir_server.security.client_keys import LONGEST, MOST_KEYS, PAUSE, SETS, UNSAID, ClientKeys, seconds_kept
from fhir_server.security.outgoing.requests import UnansweredError
from tests.conftest import HeldClock

pytestmark = pytest.mark.anyio


class Site:
    """What a client has at its jwks_uri, and how often that was asked for."""

    def __init__(self) -> None:
        self.kids, self.headers, self.status, self.asked, self.url = ["a"], "", 200, 0, ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        body = json.dumps({"keys": [{"kid": kid} for kid in self.kids]})
        writer.write(f"HTTP/1.1 {self.status} X\r\n{self.headers}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        writer.close()


@asynccontextmanager
async def answering(headers: str = "") -> AsyncIterator[tuple[Site, ClientKeys, HeldClock]]:
    site, clock = Site(), HeldClock()
    site.headers = headers
    keys = ClientKeys(("127.0.0.1/32",), clock)
    async with await asyncio.start_server(site.answer, "127.0.0.1", 0) as server:
        site.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
        yield site, keys, clock
        await keys.close()


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, UNSAID),
        ({"cache-control": "max-age=5"}, 5),
        ({"cache-control": "public, Max-Age=600, immutable"}, 600),
        ({"cache-control": "max-age=600", "age": "590"}, 10),
        ({"cache-control": "max-age=5", "age": "9"}, 0),
        ({"cache-control": "max-age=999999"}, LONGEST),
        ({"cache-control": "no-store"}, 0),
        ({"cache-control": "max-age=600, no-cache"}, 0),
        ({"cache-control": "private"}, UNSAID),
        ({"expires": "0"}, 0),
        ({"expires": "Thu, 01 Jan 2099 00:00:00 GMT", "cache-control": "max-age=7"}, 7),
    ],
)
def test_keys_are_kept_as_the_headers_say(headers: dict[str, str], seconds: int) -> None:
    assert seconds_kept(headers) == seconds


async def test_keys_are_kept_for_as_long_as_they_came_with() -> None:
    async with answering("Cache-Control: max-age=300\r\n") as (site, keys, clock):
        for _ in range(3):
            assert (await keys.at(site.url, "a"))["keys"] == [{"kid": "a"}]
        clock.now += 299_000_000
        await keys.at(site.url, "a")
        assert site.asked == 1
        site.kids, clock.now = ["b"], clock.now + 1_000_000
        assert (await keys.at(site.url, "a"))["keys"] == [{"kid": "b"}] and site.asked == 2


async def test_assertions_at_one_moment_share_what_is_fetched() -> None:
    async with answering() as (site, keys, _):
        await asyncio.gather(*(keys.at(site.url, "a") for _ in range(10)))
        assert site.asked == 1


async def test_keys_that_are_not_to_be_kept_are_fetched_each_time() -> None:
    async with answering("Cache-Control: no-store\r\n") as (site, keys, _):
        for _ in range(3):
            await keys.at(site.url, "a")
        assert site.asked == 3


async def test_a_key_that_is_not_there_has_them_fetched_anew_but_not_too_often() -> None:
    async with answering("Cache-Control: max-age=300\r\n") as (site, keys, clock):
        await keys.at(site.url, "a")
        site.kids = ["a", "b"]
        for _ in range(5):
            await keys.at(site.url, "b")
        assert site.asked == 1
        clock.now += PAUSE * 1_000_000
        for _ in range(5):
            assert {"kid": "b"} in (await keys.at(site.url, "b"))["keys"]
            await keys.at(site.url, "unknown")
        assert site.asked == 2


async def test_keys_whose_time_is_over_count_no_more_where_none_can_be_had() -> None:
    async with answering("Cache-Control: max-age=300\r\n") as (site, keys, clock):
        await keys.at(site.url, "a")
        site.status, clock.now = 500, clock.now + 300_000_000
        for _ in range(2):
            with pytest.raises(UnansweredError):
                await keys.at(site.url, "a")
        site.status = 200
        assert await keys.at(site.url, "a")


async def test_no_more_than_so_many_sets_are_kept() -> None:
    async with answering() as (site, keys, _):
        for number in range(SETS + 1):
            await keys.at(f"{site.url}/{number}", "a")
        await keys.at(f"{site.url}/{SETS}", "a")
        assert site.asked == SETS + 1
        await keys.at(f"{site.url}/0", "a")
        assert site.asked == SETS + 2


async def test_more_keys_than_any_client_has_are_not_looked_at() -> None:
    async with answering() as (site, keys, _):
        site.kids = [str(number) for number in range(MOST_KEYS)]
        assert len((await keys.at(site.url, ""))["keys"]) == MOST_KEYS
    async with answering() as (site, keys, _):
        site.kids = [str(number) for number in range(MOST_KEYS + 1)]
        with pytest.raises(UnansweredError, match="more than 20 keys"):
            await keys.at(site.url, "")
