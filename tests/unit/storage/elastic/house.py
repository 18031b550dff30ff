"""A store in a file with an engine of Elasticsearch over it; run as a program, it does nothing but feed the index."""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from pathlib import Path

import msgspec

from fhir_server.core.errors import FhirError
from fhir_server.core.folding import fold
from fhir_server.core.ports import Write
from fhir_server.core.query import EVERYTHING, Query, StringIs
from fhir_server.core.values import STRING
from fhir_server.storage.elastic.client import connect
from fhir_server.storage.elastic.digests import Parameters
from fhir_server.storage.elastic.engine import ElasticEngine
from fhir_server.storage.sqlite.index import SqliteSearchIndex
from fhir_server.storage.sqlite.store import SqliteStore

_numbers = itertools.count()


def now() -> int:
    """Microseconds since 1970 UTC: leases run out by it."""
    return time.time_ns() // 1000


def extract(body: bytes):
    resource = msgspec.json.decode(body)
    if resource.get("broken"):
        raise ValueError("broken")
    name = resource.get("name", "")
    values = [tuple(value) for value in resource.get("values", ())]
    return [(STRING, "name", fold(name), name), *values] if name else values


class House:
    """A store and an engine over it."""

    def __init__(self, folder, url, prefix="", **options):
        self.prefix = prefix or f"engine-{os.getpid()}-{next(_numbers)}"
        self.store = SqliteStore(folder / "store.sqlite", now, lambda c, k: SqliteSearchIndex(c, k))
        self.engine = self.another(url, **options)
        self.index = self.engine.index

    def another(self, url, **options):
        return ElasticEngine(
            connect(url, timeout=5.0), self.store, self.store, extract, Parameters(lambda type: ()), now,
            prefix=self.prefix, **options,
        )  # fmt: skip

    async def close(self):
        """Takes the indices along."""
        generations = self.engine.generations
        await self.engine.stop()
        for each in await generations.look():
            await generations.remove(each)
        await generations.client.options(ignore_status=404).indices.delete_index_template(name=generations.alias)
        await self.engine.close()
        await self.store.close()

    async def put(self, id, name="", **content):
        async def work(transaction):
            before = await transaction.read("Patient", id)
            version = before.version + 1 if before else 1
            body = msgspec.json.encode({"resourceType": "Patient", "id": id, "name": name, **content})
            await transaction.put(Write("Patient", id, version, transaction.now(), "PUT", body, ()))

        await self.store.commit(work)

    async def delete(self, id):
        async def work(transaction):
            before = await transaction.read("Patient", id)
            await transaction.put(Write("Patient", id, before.version + 1, transaction.now(), "DELETE", b"", ()))

        await self.store.commit(work)

    async def erase(self, id):
        async def work(transaction):
            await transaction.erase("Patient", id)

        await self.store.commit(work)

    async def ids(self, where=EVERYTHING, **query):
        page = await self.index.search(Query(("Patient",), where, count=100, **query))
        return [version.id for version in page.matches]

    async def named(self, name):
        return await self.ids(StringIs(("name",), "starts", name))


async def ready(house):
    """The first generation is there."""
    while True:
        try:
            return await house.ids()
        except FhirError:
            await asyncio.sleep(0.05)


async def feed(folder, url, prefix):
    """Until it is killed."""
    house = House(Path(folder), url, prefix, lease=1.0)
    house.engine.start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(feed(*sys.argv[1:]))
