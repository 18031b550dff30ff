"""What the audit log costs: processor time of the whole process a request, without and with it.

python -m tests.bench.audit

As tests.bench.connections, but with sleep between looks, so that waiting for the disk costs nothing, and with all
threads counted. The least of many rounds counts.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path

import uvloop

from fhir_server import bootstrap
from fhir_server.commands.serve import tune
from fhir_server.core.settings import Settings
from fhir_server.rest.http1.connection import Connection
from fhir_server.rest.http1.host import Host
from tests.bench.connections import GET, PUT, SEARCH, Nowhere

ROUNDS = 25
ASKED = (("update", PUT, 6), ("read", GET, 30), ("search by identifier", SEARCH, 10))


async def ask(connections: list[Connection], request: bytes) -> None:
    for connection in connections:
        connection.data_received(request)
    while any(connection.busy for connection in connections):
        await asyncio.sleep(0.0003)


async def measured(host: Host, request: bytes, times: int, number: int) -> float:
    """Microseconds of processor time a request."""
    connections = [host.connection() for _ in range(number)]
    for connection in connections:
        connection.connection_made(Nowhere())
    await ask(connections, request)
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            await ask(connections, request)
        least = min(least, (time.process_time() - began) / times / number)
    assert connections[0].transport.written[9:10] == b"2"  # type: ignore[attr-defined]
    return least * 1e6


async def main() -> None:
    found: dict[tuple[str, int], list[float]] = {}
    for audit in ("off", "on"):
        with tempfile.TemporaryDirectory() as folder:
            application = bootstrap.application(Settings(data=Path(folder) / "data", audit=audit))  # type: ignore[arg-type]
            async with application.running():
                tune()
                for number in (16, 64):
                    for name, request, times in ASKED:
                        cost = await measured(Host(application), request, times, number)
                        found.setdefault((name, number), []).append(cost)
    for (name, number), (off, on) in found.items():
        print(f"{name:22} {number:3} at a time  off {off:6.1f} µs  on {on:6.1f} µs  more {on - off:5.1f} µs")


if __name__ == "__main__":
    uvloop.run(main())
