"""Sends documents to a server, several at a time, and tells what was refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec import json
from fhir_server.core.errors import FhirError, error
from fhir_server.definitions import Definitions
from fhir_server.loading.sources import Document, Passed, Progress, Refusal, documents
from fhir_server.loading.units import Unit, units

FIRST = ("hospitalInformation", "practitionerInformation")  # Synthea's bundles that the patients' refer to, in order
RETRIED = 1000  # refused units that are kept, to be tried again once the others are loaded
STOPPING = (401, 429, 503)  # statuses after which going on makes no sense
FULL = 507  # that of what there is no room for, alone or as an entry


@dataclass
class Report:
    """What became of a load: resources stored, what was refused and why, files that are nothing to load."""

    loaded: int = 0
    refused: list[Refusal] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)


class Loader:
    """One load. on_refusal and on_loaded are told as it goes; on_loaded gets how many resources were stored.

    together: units that are under way at a time; trial: end as soon as anything is loaded.
    """

    def __init__(
        self,
        client: FhirClient,
        definitions: Definitions,
        *,
        together: int = 8,
        trial: bool = False,
        on_refusal: Callable[[Refusal], None] = lambda refusal: None,
        on_loaded: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._client = client
        self._definitions = definitions
        self._together = together
        self._trial = trial
        self._on_refusal = on_refusal
        self._on_loaded = on_loaded
        self._report = Report()
        self._again: list[tuple[Unit, Refusal]] = []

    async def load(self, paths: Sequence[Path], progress: Progress = lambda count: None) -> Report:
        """Loads everything in these files and folders; FhirError where the server is away, full, or asks for a login.

        What others refer to goes first: Synthea's hospitals and practitioners by name; for everything else, units that
        are refused are tried again once the rest is loaded, as long as that helps.
        """
        for wanted in FIRST:
            await self._send_all(self._units(paths, lambda name, wanted=wanted: wanted in name, lambda count: None))
        await self._send_all(self._units(paths, lambda name: not any(first in name for first in FIRST), progress, True))
        waiting = RETRIED + 1
        while 0 < len(self._again) < waiting and not self._ended():
            waiting = len(self._again)
            again, self._again = self._again, []
            await self._send_all(unit for unit, _ in again)
        for _, refusal in self._again:
            self._refuse(refusal)
        return self._report

    def _units(
        self, paths: Sequence[Path], wanted: Callable[[str], bool], progress: Progress, tell: bool = False
    ) -> Iterator[Unit | Refusal]:
        for found in documents(paths, progress):
            if isinstance(found, Document):
                if wanted(found.name):
                    yield from units(found, self._definitions)
            elif tell and isinstance(found, Passed):
                self._report.passed.append(found.name)
            elif tell and isinstance(found, Refusal):
                yield found

    async def _send_all(self, found: Iterator[Unit | Refusal]) -> None:
        """Reads in a thread, so that the server (or its loop) works meanwhile; at most `together` are under way."""
        free = asyncio.Semaphore(self._together)

        async def send(unit: Unit) -> None:
            try:
                await self._send(unit)
            finally:
                free.release()

        failed: list[BaseException] = []
        try:
            async with asyncio.TaskGroup() as group:
                while not self._ended() and (one := await asyncio.to_thread(next, found, None)) is not None:
                    if isinstance(one, Refusal):
                        self._refuse(one)
                        continue
                    await free.acquire()
                    group.create_task(send(one))
        except* FhirError as problems:
            failed += problems.exceptions  # what is raised here comes in a group in Python 3.11.2, which Debian 12 has
        if failed:
            raise failed[0]

    def _ended(self) -> bool:
        return self._trial and self._report.loaded > 0

    async def _send(self, unit: Unit) -> None:
        try:
            response = await self._client.perform(Request("POST", (), resource=unit.bundle, prefer="minimal"))
        except FhirError as problem:
            if problem.status in STOPPING:
                raise
            if problem.status == FULL:
                raise self._full() from problem
            self._put_off(unit, Refusal(unit.name, _said(problem)))
            return
        loaded = 0
        answers = json.decode(response.body).get("entry", [])
        for name, entry, answer in zip(unit.names, unit.bundle["entry"], answers, strict=True):
            if answer["response"]["status"].startswith("2"):
                loaded += 1
            elif answer["response"]["status"].startswith(str(FULL)):
                raise self._full()
            else:
                alone = Unit(name, {**unit.bundle, "entry": [entry]}, [name])
                self._put_off(alone, Refusal(name, _outcome(answer["response"])))
        self._report.loaded += loaded
        self._on_loaded(loaded)

    def _full(self) -> FhirError:
        before = f"{self._report.loaded} resources were loaded before"
        return error("no-store", f"The server's disk is full; {before}. Load again when there is room.")

    def _put_off(self, unit: Unit, refusal: Refusal) -> None:
        if len(self._again) < RETRIED:
            self._again.append((unit, refusal))
        else:
            self._refuse(refusal)

    def _refuse(self, refusal: Refusal) -> None:
        self._report.refused.append(refusal)
        self._on_refusal(refusal)


def _said(problem: FhirError) -> str:
    return " ".join(
        f"{issue.expression}: {issue.diagnostics}" if issue.expression else issue.diagnostics
        for issue in problem.issues
        if issue.severity in ("error", "fatal")
    )


def _outcome(response: dict[str, Any]) -> str:
    issues = response.get("outcome", {}).get("issue", [])
    said = [
        ": ".join([*issue.get("expression", [])[:1], issue.get("diagnostics", "")])
        for issue in issues
        if issue.get("severity") in ("error", "fatal")
    ]
    return " ".join(said) or f"The server answered {response.get('status', 'without a status')}."
