"""Elasticsearch is killed under load and started again: searches say 503 meanwhile, and nothing is missing after."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.core.errors import FhirError
from tests.backends.services import Service, free_port
from tests.unit.storage.elastic.house import House, ready
from tests.unit.storage.elastic.test_faults import soon, whole


@pytest.fixture
def own(elasticsearch_url):
    """A node of the test's own, that it may kill."""
    service = Service("start-elasticsearch.sh", free_port(), environment={"KEEP": "1"}).start()
    yield service
    service.stop()


def test_writes_go_on_and_searches_say_when_to_come_again(own, tmp_path):
    async def go():
        house = House(tmp_path, own.url)
        house.engine.start()
        await ready(house)
        written, told, stop = 0, set(), False

        async def write():
            nonlocal written
            while not stop:
                await house.put(f"p{written % 200}", f"n{written}")
                written += 1
                await asyncio.sleep(0.002)

        async def search():
            while not stop:
                try:
                    await house.ids()
                    told.add(200)
                except FhirError as problem:
                    told.add((problem.status, problem.headers["Retry-After"]))
                await asyncio.sleep(0.02)

        async def back():
            try:
                return bool(await house.ids())
            except FhirError:
                return False

        load = asyncio.gather(write(), search())
        await asyncio.sleep(1.5)
        before = written
        await asyncio.to_thread(own.kill)
        await asyncio.sleep(1.5)
        during = written
        await asyncio.to_thread(own.start)
        assert await soon(back)
        stop = True
        await load
        differences = await whole(house)
        await house.close()
        return before < during < written, told, differences

    assert asyncio.run(go()) == (True, {200, (503, "5")}, [])
