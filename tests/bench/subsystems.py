"""What the server keeps of its throughput with all three subsystems mounted: python -m tests.bench.subsystems.

Servers on fresh folders with the same records, without and with them in turns (A B B A …), and mixed requests: creates
and updates, reads and searches of patients, encounters, observations and procedures that have a price. A row says
requests a second by the clock, and requests a CPU second of all processes: of the server's own, of these with the one
beside while the requests run, and with all that the subsystems still do afterwards until they have taken everything in.
"""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import itertools
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import fhirload
from tests.system.process import Server

ALL = "analytics,billing,workforce"
SEED = 42
PATIENCE = 180.0  # seconds for the subsystems to take everything in
LONGEST = 300.0  # seconds that the requests may take
QUIET = 3.0  # seconds in which their process must do next to nothing
MIX = {
    "create_observation": 12, "create_encounter": 4, "create_procedure": 4, "create_patient": 2, "update": 8,
    "read": 40, "s_identifier": 10, "s_obs_patient_code_sort": 10, "s_encounter_patient": 5, "s_procedure_patient": 5,
}  # fmt: skip
PRICED = ("80146002", "Appendectomy")

FIGURES = {
    "rate": "requests a second by the clock",
    "own": "requests a CPU second of the server's",
    "all": "requests a CPU second of all",
    "whole": "the same with what is done afterwards",
}

Sent = tuple[str, str, bytes | None, dict[str, str] | None]


def price() -> dict[str, Any]:
    """What a procedure costs."""
    amount = {"type": "base", "amount": {"value": 1200, "currency": "USD"},
              "code": {"coding": [{"system": fhirload.SCT, "code": PRICED[0]}]}}  # fmt: skip
    return {
        "resourceType": "ChargeItemDefinition", "id": "price", "url": "http://example.org/price", "status": "active",
        "code": fhirload.cc(fhirload.SCT, *PRICED), "propertyGroup": [{"priceComponent": [amount]}],
    }  # fmt: skip


def mixed(state: dict[str, Any]) -> Callable[[], Sent]:
    """Gives the next request, always the same ones in the same order but for the ids that the server gave."""
    rng = random.Random(SEED)
    known = fhirload.phases(argparse.Namespace(seed=SEED, run=0, no_cache=False), state)
    patients = [each[0] for each in state["ids"]["Patient"].values()]
    encounters = [(each, number) for number, of in state["ids"]["Encounter"].items() for each in of]

    def create(resource: dict[str, Any]) -> Sent:
        return "POST", resource["resourceType"], fhirload.dumps(resource), None

    def encounter() -> Sent:
        start = dt.datetime(2026, 1, 1) + dt.timedelta(minutes=rng.randrange(300_000))
        end = start + dt.timedelta(minutes=30)
        return create({
            "resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
            "subject": {"reference": f"Patient/{rng.choice(patients)}"},
            "period": {"start": f"{start.isoformat()}Z", "end": f"{end.isoformat()}Z"},
        })  # fmt: skip

    def procedure() -> Sent:
        at, number = rng.choice(encounters)
        return create({
            "resourceType": "Procedure", "status": "completed", "code": fhirload.cc(fhirload.SCT, *PRICED),
            "subject": {"reference": f"Patient/{state['ids']['Patient'][number][0]}"},
            "encounter": {"reference": f"Encounter/{at}"}, "performedDateTime": "2026-03-01T10:00:00Z",
        })  # fmt: skip

    made: dict[str, Callable[[], Sent]] = {
        **known, "create_encounter": encounter, "create_procedure": procedure,
        "s_encounter_patient": lambda: ("GET", f"Encounter?patient={rng.choice(patients)}&_count=20", None, None),
        "s_procedure_patient": lambda: ("GET", f"Procedure?patient={rng.choice(patients)}&_count=20", None, None),
    }  # fmt: skip
    turns = itertools.cycle(rng.sample(list(MIX), 100, counts=MIX.values()))
    return lambda: made[next(turns)]()


def processor_seconds(pids: list[int]) -> float:
    """Of processes and of what they have started."""
    return sum(fhirload.cpu_s(pids))


def subsystems_of(server: int) -> list[int]:
    """The process beside a server: its child by `multiprocessing` that runs niced."""
    return [pid for pid in fhirload.tree([server]) if os.getpriority(os.PRIO_PROCESS, pid) > 0]


async def caught_up(client: fhirload.Client, origin: str, beside: list[int]) -> float:
    """Seconds until every subsystem has taken in all that there is, the reports that were due when the server started
    are written, and their process has nothing to do."""
    began = time.perf_counter()
    while (waited := time.perf_counter() - began) < PATIENCE:
        _, told, _ = await client.call("GET", "$changes?_count=1")
        head = json.loads(told)["head"]
        places = []
        for name in ALL.split(","):
            _, told, _ = await client.call("GET", f"{origin}/{name}/state")
            places.append(json.loads(told).get("position", 0))
        _, told, _ = await client.call("GET", f"{origin}/analytics/reports")
        reported = all(each["written"] for each in json.loads(told).get("reports", ()))
        used = processor_seconds(beside)
        await asyncio.sleep(QUIET)
        if min(places) >= head and reported and processor_seconds(beside) - used < 0.1 * QUIET:
            return waited
    raise SystemExit(f"The subsystems have not caught up after {PATIENCE:g} s: {places} of {head}.")


async def measured(server: Server, options: argparse.Namespace, *, mounted: bool) -> dict[str, Any]:
    """The figures of one server."""
    pid = server.process.pid
    given = argparse.Namespace(patients=options.patients, seed=SEED, pids=[pid], load_conns=4)
    state: dict[str, Any] = {}
    async with fhirload.Client(server.base, options.connections, {}) as client:
        await client.call("PUT", "ChargeItemDefinition/price", fhirload.dumps(price()))
        await fhirload.load(client, given, state)
        beside = subsystems_of(pid)
        waited = await caught_up(client, server.origin, beside) if mounted else 0.0
        requests = mixed(state)
        before, apart = processor_seconds([pid]), processor_seconds(beside)
        run = await fhirload.closed_loop(client, requests, options.connections, LONGEST, 0, [pid], cap=options.requests)
        during, apart = processor_seconds([pid]) - before, processor_seconds(beside) - apart
        behind = await caught_up(client, server.origin, beside) if mounted else 0.0
        whole = processor_seconds([pid]) - before
    if run["ok"] != run["n"]:
        raise SystemExit(f"{run['n'] - run['ok']} requests failed: {run['codes']}, {run.get('errors')}")
    return {
        "mounted": mounted, "rate": run["rps"], "p95_ms": run["p95_ms"], "own": run["n"] / (during - apart),
        "all": run["n"] / during, "whole": run["n"] / whole, "loading_behind_s": waited, "behind_s": behind,
        "load": os.getloadavg()[0],
    }  # fmt: skip


def once(options: argparse.Namespace, *, mounted: bool) -> dict[str, Any]:
    """One server from its start to its end."""
    with tempfile.TemporaryDirectory() as folder:
        extra = ("--subsystems", ALL) if mounted else ()
        server = Server("--data", Path(folder) / "data", "--workers", options.workers, *extra)
        try:
            return asyncio.run(measured(server.wait_until_ready(), options, mounted=mounted))
        finally:
            server.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=8000)
    parser.add_argument("--patients", type=int, default=100, help="records loaded first, of 50 resources each")
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=2, help="pairs of servers")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that its servers end with it
    runs = []
    for number in range(options.rounds):
        for mounted in (False, True) if number % 2 == 0 else (True, False):
            runs.append(once(options, mounted=mounted))
            print(json.dumps({name: round(value, 2) for name, value in runs[-1].items()}), flush=True)
    for name, said in FIGURES.items():
        off, on = (statistics.median(run[name] for run in runs if run["mounted"] is kind) for kind in (False, True))
        print(f"{said:<38} without {off:7.0f}, with {on:7.0f}: {on / off:.0%}")


if __name__ == "__main__":
    main()
