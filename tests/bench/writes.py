"""What a write costs without HTTP: processor time by thread, group size, and what is written to disk.

python -m tests.bench.writes [--count 3000] [--patients 100] [create_patient update …]

Processor time says more than a rate where others use the machine; runs of two commits in turn say most. cpu: of all
threads, a request; loop: of the event loop's thread, the rest is the thread for the disk and the copying of the log.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import uvloop

from fhir_server import bootstrap
from fhir_server.api import FhirServer, Request
from fhir_server.codec import json
from fhir_server.core.configuration import load
from fhir_server.core.garbage import tune
from fhir_server.storage.sqlite.writer import Writer
from tests.bench import fhirload

ROWS = ("create_patient", "create_observation", "update", "cond_create", "cond_update")
SEED = 42


def request_of(method: str, url: str, body: bytes, headers: dict[str, str] | None = None) -> Request:
    """A request of the generator as rest.decode makes it."""
    path, _, query = url.partition("?")
    return Request(
        method=method,
        path=tuple(part for part in path.split("/") if part),
        query=parse_qsl(query),
        base="http://localhost/fhir",
        body=body,
        resource=json.parse(body),
        if_none_exist=(headers or {}).get("If-None-Exist", ""),
    )


async def fill(server: FhirServer, patients: int) -> dict[str, Any]:
    """Loads records; the generator's state, ids by type and patient."""
    ids: dict[str, dict[str, list[str]]] = {}
    for number in range(patients):
        response = await server.perform(request_of("POST", "", fhirload.bundle(fhirload.make_record(number, SEED))))
        for type, id in re.findall(rb'"location":"[^"]*?(\w+)/([\w.-]+)/_history', response.body):
            ids.setdefault(type.decode(), {}).setdefault(str(number), []).append(id.decode())
    return {"ids": ids, "patients": patients, "seed": SEED}


def written() -> int:
    """Bytes that this process has handed to the system to write."""
    return int(re.search(r"wchar: (\d+)", Path("/proc/self/io").read_text("utf-8"))[1])  # type: ignore[index]


async def measure(server: FhirServer, requests: Iterator[Request], count: int, connections: int) -> str:
    """The figures of one row."""

    async def connection() -> None:
        for request in requests:
            await server.perform(request)

    before = time.process_time(), time.thread_time(), written()
    await asyncio.gather(*[connection() for _ in range(connections)])
    cpu, loop, size = time.process_time() - before[0], time.thread_time() - before[1], written() - before[2]
    return f"cpu {cpu / count * 1e6:5.0f} us, loop {loop / count * 1e6:5.0f} us, written {size / count / 1024:5.1f} KiB"


async def main(options: argparse.Namespace) -> None:
    """Prints a line for each row."""
    groups = 0
    group = Writer._group

    async def counted(writer: Writer) -> None:
        nonlocal groups
        groups += 1
        await group(writer)

    Writer._group = counted  # type: ignore[method-assign]
    with tempfile.TemporaryDirectory() as folder:
        server = await bootstrap.start(load({"data": Path(folder)}))
        tune()
        state = await fill(server, options.patients)
        rows = fhirload.phases(argparse.Namespace(seed=SEED, run=0, no_cache=False), state)
        for name in options.rows or ROWS:
            made = [request_of(*rows[name]()) for _ in range(options.count)]
            groups = 0
            figures = await measure(server, iter(made), options.count, options.connections)
            print(f"{name:20} {figures}, {options.count / max(1, groups):.1f} a commit", flush=True)
        await server.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", help="names of rows of fhirload.py")
    parser.add_argument("--count", type=int, default=3000, help="requests a row")
    parser.add_argument("--patients", type=int, default=100, help="records loaded first")
    parser.add_argument("--connections", type=int, default=16)
    uvloop.install()
    asyncio.run(main(parser.parse_args()))
