"""What a token and the audit log cost each row of the benchmark: processor time of the process a request.

python -m tests.bench.secured
python -m tests.bench.secured --patients 200 --rows read,s_obs_date_sort --scope 'user/*.rs user/Patient.cud'
python -m tests.backends python -m tests.bench.secured --engine distributed --patients 20 --rows create_patient,update

An open and a secured server in one process, on stores with the same records, are asked the same by connections without
sockets, in turns; the median of the rounds counts, so that others on the machine matter little. Threads are counted.
Each connection asks again as soon as it has its answer.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvloop
from msgspec.structs import replace

from fhir_server import bootstrap
from fhir_server.core.garbage import tune
from fhir_server.core.settings import Settings
from fhir_server.rest.http1.host import Host
from fhir_server.security.encryption.master_keys import add_key
from fhir_server.security.model import Grant
from tests.bench import fhirload
from tests.bench.connections import Nowhere
from tests.engines import EMBEDDED, ENGINES, settings_on

CONNECTIONS = 8  # of each of two workers, where a client has 16
BASE = "http://127.0.0.1:8080"
HEADERS = "Host: 127.0.0.1:8080\r\nAccept: application/fhir+json\r\nContent-Type: application/fhir+json\r\n"

Asked = tuple[str, str, bytes | None, dict[str, str] | None]


class Waking(Nowhere):
    """Keeps what is written, and wakes whoever waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.came = asyncio.Event()

    def write(self, data: Any) -> None:
        self.written += bytes(data)
        self.came.set()

    def close(self) -> None:
        pass

    abort = close


class Side:
    """One of the two servers, with its connections."""

    def __init__(self, application: Any, headers: str = "") -> None:
        self._headers = HEADERS + headers
        self._host = Host(application)

    async def answers(self, asked: list[Asked]) -> list[bytes]:
        """The answers to all of it, as many at once as there are connections."""
        requests = [self._request(*each) for each in asked]
        found = [b""] * len(requests)
        numbers = iter(range(len(requests)))

        async def client() -> None:
            connection = self._host.connection()
            transport = Waking()
            connection.connection_made(transport)
            for number in numbers:
                transport.written = b""
                connection.data_received(requests[number])
                while connection.busy:
                    transport.came.clear()
                    await transport.came.wait()
                    await asyncio.sleep(0)
                found[number] = transport.written
            connection.connection_lost(None)

        await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
        return found

    async def seconds(self, asked: list[Asked]) -> float:
        """Processor time of all that is asked."""
        began = time.process_time()
        answers = await self.answers(asked)
        took = time.process_time() - began
        wrong = [each for each in answers if each[9:10] != b"2"]
        assert not wrong, wrong[0][:500]
        return took

    def _request(self, method: str, url: str, body: bytes | None, headers: dict[str, str] | None) -> bytes:
        own = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        length = f"Content-Length: {len(body)}\r\n" if body is not None else ""
        return f"{method} /fhir/{url} HTTP/1.1\r\n{self._headers}{own}{length}\r\n".encode() + (body or b"")


async def loaded(settings: Settings, patients: int) -> dict[str, Any]:
    """A store with records; what fhirload keeps of them."""
    ids: dict[str, dict[str, list[str]]] = {}
    application = bootstrap.application(settings)
    records = [fhirload.make_record(number) for number in range(patients)]
    async with application.running():
        answers = await Side(application).answers([("POST", "", fhirload.bundle(each), None) for each in records])
    for number, (record, answer) in enumerate(zip(records, answers, strict=True)):
        entries = json.loads(answer.partition(b"\r\n\r\n")[2])["entry"]
        for (_, resource), entry in zip(record, entries, strict=True):
            id = entry["response"]["location"].split("/")[-3]
            ids.setdefault(resource["resourceType"], {}).setdefault(str(number), []).append(id)
    return {"ids": ids, "patients": patients, "seed": 42}


async def measured(options: argparse.Namespace, folder: Path) -> None:
    async with AsyncExitStack() as stack:
        if options.engine == EMBEDDED:
            stores = [Settings(data=folder / "open"), Settings(data=folder / "smart")]
            states = [await loaded(stores[0], options.patients)] * 2
            shutil.copytree(folder / "open", folder / "smart")
        else:
            add_key(folder / "keys")
            stores = [stack.enter_context(settings_on(options.engine, folder / name)) for name in ("open", "smart")]
            states = [await loaded(each, options.patients) for each in stores]
        keys = "" if options.engine == EMBEDDED else str(folder / "keys")
        chosen = (stores[0], replace(stores[1], security="smart", base_url=f"{BASE}/fhir", account_keys=keys))
        applications = [bootstrap.application(each) for each in chosen]
        await stack.enter_async_context(applications[0].running())
        server = await stack.enter_async_context(applications[1].running())
        grant = Grant(family="bench", client="bench", scope=options.scope, user="bench")
        await server.security.store.begin_family("bench", "bench", "bench", options.scope)
        token = await server.security.tokens.access_token(grant, BASE, f"{BASE}/fhir", seconds=86_400)
        tune()
        sides = (Side(applications[0]), Side(applications[1], f"Authorization: Bearer {token}\r\n"))
        rows = [fhirload.phases(SimpleNamespace(seed=42, run=0, no_cache=False), state) for state in states]
        wanted = options.rows.split(",") if options.rows else list(rows[0])
        print(f"{'row':26} {'open µs':>9} {'secured':>9} {'more':>7} {'open/secured':>13}", flush=True)
        for name in wanted:
            costs: tuple[list[float], list[float]] = ([], [])
            spent = 0.0
            while len(costs[0]) < options.rounds and (spent < options.seconds or len(costs[0]) < 3):
                for side, row, cost in zip(sides, rows, costs, strict=True):
                    asked = [row[name]() for _ in range(options.requests)]
                    cost.append(await side.seconds(asked) / len(asked) * 1e6)
                    spent += cost[-1] * len(asked) / 1e6
            one, other = map(statistics.median, costs)
            print(f"{name:26} {one:9.1f} {other:9.1f} {other - one:7.1f} {one / other:12.0%}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--engine", choices=ENGINES, default=EMBEDDED)
    parser.add_argument("--patients", type=int, default=200)
    parser.add_argument("--rows", default="", help="names of rows, with commas; all by default")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=64, help="of a round")
    parser.add_argument("--seconds", type=float, default=6, help="of processor time that a row may take")
    parser.add_argument("--scope", default="user/*.cruds")
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measured(parser.parse_args(), Path(folder)))


if __name__ == "__main__":
    main()
