"""What Subscriptions take: processor time at rest, from a write to its notification, notifications one after the other.

python -m tests.bench.subscriptions [--events 200] [--seconds 20]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.system.process import Server, serving
from tests.system.receiver import Receiver, receiving

TICKS = 100  # of a second of processor time


def processor_seconds(server: Server) -> float:
    """Of the process that answers, so far."""
    fields = Path(f"/proc/{server.workers()[0]}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def subscribe(http: httpx.Client, receiver: Receiver, code: str) -> None:
    channel = {"type": "rest-hook", "endpoint": receiver.url, "payload": "application/fhir+json"}
    resource: dict[str, Any] = {"resourceType": "Subscription", "status": "requested", "reason": "a measurement"}
    http.post("Subscription", json={**resource, "criteria": f"Observation?code={code}", "channel": channel})


def observe(http: httpx.Client, code: str) -> None:
    coded = {"coding": [{"system": "http://loinc.org", "code": code}]}
    http.post("Observation", json={"resourceType": "Observation", "status": "final", "code": coded}).raise_for_status()


def at_rest(server: Server, seconds: int) -> str:
    time.sleep(2)
    before = processor_seconds(server)
    time.sleep(seconds)
    return f"{(processor_seconds(server) - before) / seconds:.2%} of a core"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200)
    parser.add_argument("--seconds", type=int, default=20)
    asked = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        receiving() as receiver,
        serving(Path(folder), "--workers", 1) as server,
        httpx.Client(base_url=server.base) as http,
    ):
        print("at rest without any", at_rest(server, asked.seconds))
        subscribe(http, receiver, "told")
        print("at rest with one", at_rest(server, asked.seconds))
        moments = []
        for number in range(1, 21):
            begun = time.perf_counter()
            observe(http, "told")
            receiver.wait(number)
            moments.append(time.perf_counter() - begun)
        print(f"from a write to its notification, the median of 20: {sorted(moments)[10] * 1000:.0f} ms")
        receiver.hold.clear()  # for less than an endpoint may take
        for _ in range(asked.events):
            observe(http, "told")
        begun, done = time.perf_counter(), len(receiver.came)
        receiver.hold.set()
        receiver.wait(asked.events + 20)
        waited = asked.events + 20 - done
        print(f"{waited} that waited: {waited / (time.perf_counter() - begun):.0f} notifications/s of one Subscription")
        for number in range(99):
            subscribe(http, receiver, f"other-{number}")
        print("at rest with a hundred", at_rest(server, asked.seconds))


if __name__ == "__main__":
    main()
