"""What the audit log and encryption at rest cost: processor time of the whole process a request, without and with them.

python -m tests.bench.safeguards

As tests.bench.connections, but with sleep between looks, so that waiting for the disk costs nothing, and with all
threads counted. The least of many rounds counts.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import uvloop

from fhir_server import bootstrap
from fhir_server.core.garbage import tune
from fhir_server.core.settings import Settings
from fhir_server.rest.http1.host import Host
from fhir_server.security.encryption import DataKeys, MasterKeys
from fhir_server.security.encryption.master_keys import add_key
from tests.bench.connections import GET, PUT, SEARCH, Nowhere, ask

ROUNDS = 25
PAUSE = 0.0003  # seconds between two looks for answers
ASKED = (("update", PUT, 6), ("read", GET, 30), ("search by identifier", SEARCH, 10))


class Lasting(Nowhere):
    """One that stays."""

    def close(self) -> None:
        pass

    abort = close


async def measured(host: Host, request: bytes, times: int, number: int) -> float:
    """Microseconds of processor time a request."""
    connections = [host.connection() for _ in range(number)]
    for connection in connections:
        connection.connection_made(Lasting())
    await ask(connections, request, PAUSE)
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time()
        for _ in range(times):
            await ask(connections, request, PAUSE)
        least = min(least, (time.process_time() - began) / times / number)
    assert connections[0].transport.written[9:10] == b"2"  # type: ignore[attr-defined]
    return least * 1e6


async def main() -> None:
    found: dict[tuple[str, int], dict[str, float]] = {}
    for safeguard in ("neither", "audit", "encryption"):
        with tempfile.TemporaryDirectory() as folder:
            application = bootstrap.application(chosen(Path(folder), safeguard))
            async with application.running():
                tune()
                for number in (16, 64):
                    for name, request, times in ASKED:
                        cost = await measured(Host(application), request, times, number)
                        found.setdefault((name, number), {})[safeguard] = cost
    for (name, number), costs in found.items():
        print(f"{name:22} {number:3} at a time  " + "  ".join(f"{of} {cost:6.1f} µs" for of, cost in costs.items()))


def sealing() -> None:
    """What one body costs to seal and to open, and the first one of a patient, whose key must be durable first."""
    body = b'{"resourceType":"Patient","id":"a",' + b" " * 300 + b"}"
    with tempfile.TemporaryDirectory() as folder:
        add_key(Path(folder) / "master.json")
        keys = DataKeys(Path(folder) / "keys.sqlite", MasterKeys(Path(folder) / "master.json"))
        sealed = keys.seal("Patient/a", body)
        fresh = map("Patient/{}".format, range(10_000))
        for name, work, times in (
            ("seal", lambda: keys.seal("Patient/a", body), 10_000),
            ("open", lambda: keys.open(sealed), 10_000),
            ("first of a patient", lambda: keys.seal(next(fresh), body), 100),
        ):
            least = float("inf")
            for _ in range(5):
                began = time.process_time()
                for _ in range(times):
                    work()
                least = min(least, (time.process_time() - began) / times)
            print(f"{name:22} {least * 1e6:6.1f} µs")
        keys.close()


def chosen(folder: Path, safeguard: str) -> Settings:
    """The settings with one safeguard, or with none."""
    keys = folder / "master.json"
    if safeguard == "encryption":
        add_key(keys)
    return Settings(
        data=folder / "data",
        audit="on" if safeguard == "audit" else "off",
        encryption_keys=str(keys) if safeguard == "encryption" else "",
    )


if __name__ == "__main__":
    sealing()
    uvloop.run(main())
