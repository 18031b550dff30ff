"""A real Elasticsearch, named by HMS_TEST_ELASTICSEARCH_URL; without one these tests are skipped."""

from __future__ import annotations

import asyncio
import os

import pytest

from tests.unit.storage.elastic.house import House
from tests.unit.storage.elastic.shelf import ElasticShelf, Loop

VARIABLE = "HMS_TEST_ELASTICSEARCH_URL"


@pytest.fixture(scope="session")
def elasticsearch_url() -> str:
    url = os.environ.get(VARIABLE, "")
    if not url:
        pytest.skip(f"{VARIABLE} names no Elasticsearch; make test-distributed starts one")
    return url


@pytest.fixture(scope="session")
def loop(elasticsearch_url):
    with Loop(elasticsearch_url) as loop:
        yield loop


@pytest.fixture
def shelf(loop):
    with ElasticShelf(loop) as shelf:
        yield shelf


@pytest.fixture
def run(tmp_path, elasticsearch_url):
    """Runs a work on a house whose engine feeds its index, or with feeding=False does not."""

    def run(work, feeding=True, **options):
        async def go():
            house = House(tmp_path, elasticsearch_url, **options)
            if feeding:
                house.engine.start()
            try:
                return await work(house)
            finally:
                await house.close()

        return asyncio.run(go())

    return run
