"""Many connections that write until they are told to stop or the server is gone, and a ledger of what was answered."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

SYSTEM = "http://hospital.test/load"
ENTRIES = 10  # Observations of a transaction
CONNECTIONS = 12
NO_HEADERS: Mapping[str, str] = {}

Step = Callable[["Connection", int], Awaitable[None]]


@dataclass
class Ledger:
    """What was asked and what was answered by success."""

    versions: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)  # (type, id, version) -> sent
    asked: set[str] = field(default_factory=set)  # marks of transactions that were sent
    answered: set[str] = field(default_factory=set)  # marks of those that were answered by success
    created: set[str] = field(default_factory=set)  # identifiers of Patients whose creation was answered
    failures: list[str] = field(default_factory=list)  # answers that were no success

    def keep(self, sent: dict[str, Any], location: str) -> None:
        """Notes a version by the Location that it was answered with."""
        type, id, _, version = location.split("/")[-4:]
        self.versions[type, id, version] = sent

    def assert_versions_kept(self, http: httpx.Client, base: str) -> None:
        """Every version that was answered is there as it was sent."""
        for (type, id, version), sent in self.versions.items():
            found = http.get(f"{base}/{type}/{id}/_history/{version}")
            assert found.status_code == 200, f"{type}/{id} version {version} is lost: {found.text}"
            stored = {name: value for name, value in found.json().items() if name not in ("id", "meta")}
            assert stored == {name: value for name, value in sent.items() if name != "id"}


class Connection:
    """One client with a connection of its own."""

    def __init__(self, base: str, ledger: Ledger, name: str, headers: Mapping[str, str]) -> None:
        self.base = base
        self.ledger = ledger
        self.name = name
        self.http = httpx.AsyncClient(timeout=60, headers=headers)

    async def send(self, method: str, path: str, body: dict[str, Any]) -> httpx.Response | None:
        """The answer; None, noted, where it is no success."""
        answer = await self.http.request(method, f"{self.base}/{path}".rstrip("/"), json=body)
        if answer.is_success:
            return answer
        self.ledger.failures.append(f"{answer.status_code} {answer.text[:300]}")
        return None

    async def repeat(self, step: Step, stop: asyncio.Event) -> None:
        """Takes steps until told to stop, or until there is no server any more."""
        try:
            for number in itertools.count():
                if stop.is_set():
                    break
                await step(self, number)
        except httpx.TransportError:
            pass
        finally:
            await self.http.aclose()


async def create(connection: Connection, number: int) -> None:
    value = f"{connection.name}-{number}"
    sent = {"resourceType": "Patient", "identifier": [{"system": SYSTEM, "value": value}], "name": [{"family": value}]}
    answer = await connection.send("POST", "Patient", sent)
    if answer is not None:
        connection.ledger.keep(sent, answer.headers["location"])
        connection.ledger.created.add(value)


async def update(connection: Connection, number: int) -> None:
    sent = {"resourceType": "Patient", "id": connection.name, "multipleBirthInteger": number}
    answer = await connection.send("PUT", f"Patient/{connection.name}", sent)
    if answer is not None:
        connection.ledger.keep(sent, answer.headers["location"])


async def transaction(connection: Connection, number: int) -> None:
    mark = f"{connection.name}-{number}"
    patient = {"resourceType": "Patient", "id": connection.name, "multipleBirthInteger": number}
    observation = {
        "resourceType": "Observation",
        "identifier": [{"system": SYSTEM, "value": mark}],
        "status": "final",
        "code": {"text": "load"},
        "subject": {"reference": f"Patient/{connection.name}"},
    }
    entries = [{"resource": patient, "request": {"method": "PUT", "url": f"Patient/{connection.name}"}}]
    entries += [{"resource": observation, "request": {"method": "POST", "url": "Observation"}}] * ENTRIES
    connection.ledger.asked.add(mark)
    answer = await connection.send("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    if answer is not None:
        connection.ledger.answered.add(mark)
        for entry, done in zip(entries, answer.json()["entry"], strict=True):
            connection.ledger.keep(entry["resource"], done["response"]["location"])


STEPS: tuple[Step, ...] = (create, update, transaction)


async def write(
    base: str,
    ledger: Ledger,
    name: str,
    enough: int,
    end: Callable[[], object],
    steps: Sequence[Step] = STEPS,
    headers: Mapping[str, str] = NO_HEADERS,
) -> None:
    """Writes over many connections; calls end() amid it once so many versions have been answered."""
    stop = asyncio.Event()
    connections = [Connection(base, ledger, f"{name}-{number}", headers) for number in range(CONNECTIONS)]
    before = len(ledger.versions)
    tasks = [
        asyncio.create_task(connection.repeat(steps[number % len(steps)], stop))
        for number, connection in enumerate(connections)
    ]
    while len(ledger.versions) < before + enough and not all(task.done() for task in tasks):
        await asyncio.sleep(0.005)
    await asyncio.to_thread(end)
    stop.set()
    await asyncio.gather(*tasks)
