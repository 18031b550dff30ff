"""What it costs to feed the search index, and how fast it goes: python -m tests.bench.feeding --projectors 1 2

Stores sample resources in MongoDB, then has `hms project` index them, each time into a new index: rounds of each number
of processes that share the work in turns. --beside FOLDER does the same by another checkout in between; --pids: of
services that HMS_TEST_MONGODB_URL and HMS_TEST_ELASTICSEARCH_URL name, whose processor time is then told too.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import tempfile
import time
from pathlib import Path

from fhir_server import definitions as r4
from fhir_server.codec.json import decode
from fhir_server.core.ports import Write
from fhir_server.search.extract import Extractor
from fhir_server.search.fields import Fields
from fhir_server.search.identifying import Identifying
from fhir_server.storage.elastic.client import connect as connect_to_elasticsearch
from fhir_server.storage.elastic.generations import Generations
from fhir_server.storage.mongo.database import connect
from fhir_server.storage.mongo.store import MongoStore
from tests.bench.__main__ import DATABASE, SETTINGS, interpreter_of, services
from tests.bench.documents import bodies
from tests.bench.fhirload import cpu_s
from tests.engines import DISTRIBUTED, ELASTICSEARCH, MONGODB

TOGETHER = 100  # resources in a transaction
LOOK = 0.05  # seconds
BEGIN = 60  # seconds


async def stored(url: str, name: str, count: int) -> MongoStore:
    """A store with so many sample resources."""
    definitions = r4.load()
    extract = Extractor(definitions, Fields(definitions)).extract
    clock = lambda: time.time_ns() // 1000  # noqa: E731
    store = MongoStore(await connect(url, name), clock, extract, Identifying(definitions))
    await store.start()
    some = [(number, body, decode(body)) for number, body in enumerate(bodies()[:count])]
    for at in range(0, len(some), TOGETHER):

        async def work(transaction, part=some[at : at + TOGETHER]) -> None:
            for number, body, resource in part:
                type, own = resource["resourceType"], body.replace(b'"id":"x"', b'"id":"%d"' % number, 1)
                await transaction.put(Write(type, str(number), 1, transaction.now(), "POST", own, extract(resource)))

        await store.commit(work)
    return store


async def fed(
    store: MongoStore, urls: dict[str, str], name: str, projectors: int, checkout: Path | None, pids: list[int]
) -> str:
    """A row of the table: an index made anew by so many processes."""
    client = connect_to_elasticsearch(urls[SETTINGS[ELASTICSEARCH]])
    generations = Generations(client, name)
    for generation in await generations.look():
        await generations.remove(generation)
    await generations.start()
    consumer = (await generations.look())[0].consumer
    head = await store.head()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HMS_TEST_")}
    environment |= {**urls, DATABASE: name, "HMS_PROJECTORS": str(projectors)}
    with tempfile.TemporaryDirectory() as folder:
        command = [interpreter_of(checkout), "-m", "fhir_server.cli", "project", "--data", folder]
        running = [subprocess.Popen(command, env=environment, cwd=checkout) for _ in range(projectors)]
        try:
            async with asyncio.timeout(BEGIN):  # a checkout of another version of the mapping never does
                while not await store.position(consumer):
                    await asyncio.sleep(LOOK)
            begun, position, before = time.perf_counter(), await store.position(consumer), used(running, pids)
            while await store.position(consumer) < head:
                await asyncio.sleep(LOOK)
            done = head - position
            took, after = time.perf_counter() - begun, used(running, pids)
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()
    await client.close()
    costs = [f"{(now - then) / done * 1000:.3f}" for now, then in zip(after, before, strict=True)]
    return f"| {checkout or 'this'} | {projectors} | {done / took:.0f} | {' | '.join(costs)} |"


def used(running: list[subprocess.Popen], pids: list[int]) -> list[float]:
    """Seconds of processor time: of the processes that feed together, and of each service."""
    return [sum(cpu_s([process.pid for process in running])), *cpu_s(pids)]


async def measure(options: argparse.Namespace, urls: dict[str, str], pids: list[int]) -> None:
    """Prints the rows."""
    name = f"bench-feeding-{os.getpid()}"
    store = await stored(urls[SETTINGS[MONGODB]], name, options.resources)
    services_named = " | ".join(f"service {number + 1}" for number in range(len(pids)))
    print(f"| checkout | processes | resources/s | ms each: projectors | {services_named} |")
    for _ in range(options.rounds):
        for projectors in options.projectors:
            for checkout in (options.beside, None) if options.beside else (None,):
                print(await fed(store, urls, name, projectors, checkout, pids), flush=True)
    await store.close()


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resources", type=int, default=6000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--projectors", type=int, nargs="+", default=[1])
    parser.add_argument("--beside", type=Path)
    parser.add_argument("--pids", type=int, nargs="*", default=[])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, services(DISTRIBUTED, Path(folder)) as (urls, pids):
        asyncio.run(measure(options, urls, [*pids, *options.pids]))


if __name__ == "__main__":
    main()
