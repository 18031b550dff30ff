"""What it costs a search to see what was written before it: python -m tests.bench.read_your_writes --engine distributed

Eight connections search Patients by name while eight others create Observations, and while nobody writes; with
the default, and with `Prefer: wait=0`, which waits for nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from typing import Any

from tests.bench import fhirload
from tests.bench.__main__ import services, serving
from tests.engines import DISTRIBUTED, ENGINES

CONNECTIONS = 8
WARMUP = 2.0  # seconds


async def measure(base: str, pids: list[int], patients: int, seconds: float) -> None:
    """Prints a row for each way of searching."""
    state: dict[str, Any] = {}
    options = argparse.Namespace(
        patients=patients, seed=42, load_conns=CONNECTIONS, pids=pids, run=0, no_cache=False
    )  # fmt: skip
    async with fhirload.Client(base, 2 * CONNECTIONS, {}) as client:
        await fhirload.load(client, options, state)
        phases = fhirload.phases(options, state)
        print("| searches | searches/s | p50 ms | p95 ms | creates/s beside |\n| --- | --- | --- | --- | --- |")
        for writing in (False, True):
            for prefer in ("", "wait=0"):

                def search(prefer: str = prefer) -> tuple[Any, ...]:
                    method, url, body, _ = phases["s_name"]()
                    return method, url, body, {"Prefer": prefer} if prefer else None

                works = [fhirload.closed_loop(client, search, CONNECTIONS, seconds, WARMUP, pids)]
                if writing:
                    create = phases["create_observation"]
                    works.append(fhirload.closed_loop(client, create, CONNECTIONS, seconds, WARMUP, pids))
                found, *beside = await asyncio.gather(*works)
                what = f"{prefer or 'default'}, {'beside creates' if writing else 'nobody writes'}"
                cells = [what, found["rps"], found["p50_ms"], found["p95_ms"], beside[0]["rps"] if beside else ""]
                print(f"| {' | '.join(map(str, cells))} |", flush=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--engine", choices=ENGINES, default=DISTRIBUTED)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        services(options.engine, Path(folder)) as (urls, pids),
        serving(Path(folder) / "data", 0, urls=urls) as (server, base),
    ):
        asyncio.run(measure(base, [server.pid, *pids], options.patients, options.seconds))


if __name__ == "__main__":
    main()
