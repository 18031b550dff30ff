"""Imports: NDJSON, sent along or fetched, stored line by line in batches, with the place kept after each.

A resource goes by PUT under its id; one without an id gets one that is made of its content, so that an import that is
sent again stores nothing twice under other ids. A line that can't be stored is told in a file of OperationOutcomes, and
the others go on; while the disk is full, or the store away, the import waits. A worker that ends is followed by
another, which begins at the batch that was under way.
"""

from __future__ import annotations

import asyncio
import uuid
from contextlib import aclosing
from typing import Any

import msgspec
import structlog

from fhir_server.codec import json
from fhir_server.core.errors import CATEGORIES, PASSING, FhirError, error, operation_outcome
from fhir_server.core.jobs import JobStore
from fhir_server.core.keys import ID_PATTERN
from fhir_server.core.ports import Caller
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.noting import Noting
from fhir_server.interactions.request import Request
from fhir_server.operations.bulk.jobs import Part
from fhir_server.operations.bulk.sources import Sources
from fhir_server.operations.bulk.works import Works

TOGETHER = 200  # lines of a batch
ERRORS = "OperationOutcome.1.ndjson"
CONTENT = uuid.UUID("d0c43a3d-8a9b-5b6b-9f5e-6b1e0d0f1b57")  # the namespace of ids that are made of content
FETCHED = 2**20  # bytes that are written together
PASSING_STATUSES = {CATEGORIES[name].status for name in PASSING}
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 10.0  # seconds until what can't be stored now is tried again

log = structlog.get_logger("bulk")


class Input(msgspec.Struct):
    """One file: where it is from, "" for what was sent along; the type that it must hold, "" for any."""

    url: str
    type: str = ""
    fetched: bool = False
    stored: int = 0
    failed: int = 0


class ImportJob(msgspec.Struct, kw_only=True):
    """at: how many inputs are done; offset, line: within the next one; the rest as of Job."""

    id: str
    url: str
    inputs: list[Input]
    moment: int
    owner: str = ""
    access: dict[str, Any] | None = None
    purpose: str = ""
    resumable: bool = True
    state: str = "running"
    problem: str = ""
    at: int = 0
    offset: int = 0
    line: int = 0
    parts: list[Part] = []
    finished: int = 0


class Imports(Works):
    """Jobs that are imports."""

    name = "import"
    kind = ImportJob

    def __init__(self, store: JobStore, sources: Sources) -> None:
        super().__init__(store)
        self.sources = sources

    async def begin(
        self, environment: Environment, caller: Caller, url: str, inputs: list[Input], body: bytes
    ) -> ImportJob:
        """A new job; body: what was sent along, b"" where the inputs are fetched."""
        await self.require_room(environment)
        job = ImportJob(url=url, inputs=inputs, moment=environment.clock(), **self.whose(caller))
        inputs[0].fetched = bool(body)
        await self.jobs.create(job, {_name(0): body} if body else {})
        self.start(job, caller)
        return job

    async def has(self, job: ImportJob, record: frozenset[str]) -> bool:
        """See Works; one that runs goes on, as what it was given is to be stored."""
        if job.state == "running":
            return False
        return await self.jobs.has_any(job, map(_name, range(len(job.inputs))), record, _reference)

    async def work(self, environment: Environment, job: ImportJob, caller: Caller) -> None:
        """Stores line after line."""
        try:
            while job.at < len(job.inputs):
                given = job.inputs[job.at]
                if not given.fetched:
                    await self._fetch(job, given)
                if not await self._store(environment, job, given, caller):
                    return
                job.at, job.offset, job.line = job.at + 1, 0, 0
            job.state = "done"
        except FhirError as problem:
            if problem.category == "no-store":
                raise  # it goes on where it stands once there is room
            job.state, job.problem = "failed", str(problem)
        job.finished = environment.clock()
        await self.jobs.save(job)

    async def _fetch(self, job: ImportJob, given: Input) -> None:
        at, piece = 0, bytearray()
        async with aclosing(self.sources.pieces(given.url)) as pieces:
            async for each in pieces:
                piece += each
                if len(piece) >= FETCHED:
                    await self.jobs.write(job, _name(job.at), at, bytes(piece))
                    at += len(piece)
                    piece.clear()
        await self.jobs.write(job, _name(job.at), at, bytes(piece))
        given.fetched = True
        await self.jobs.save(job)

    async def _store(self, environment: Environment, job: ImportJob, given: Input, caller: Caller) -> bool:
        """Stores an input from where it stands; False where the job was deleted meanwhile."""
        batch: list[bytes] = []
        async for line in self.jobs.lines(job, _name(job.at), job.offset):
            batch.append(line)
            if len(batch) == TOGETHER:
                if not await self._keep(environment, job, given, caller, batch):
                    return False
                batch = []
        return not batch or await self._keep(environment, job, given, caller, batch)

    async def _keep(
        self, environment: Environment, job: ImportJob, given: Input, caller: Caller, lines: list[bytes]
    ) -> bool:
        """Stores lines and how far it has got; False where the job was deleted meanwhile."""
        problems = await self._batch(environment, job, given, caller, lines)
        await self._tell(job, given, problems)
        job.offset, job.line = job.offset + sum(map(len, lines)), job.line + len(lines)
        return await self.jobs.save(job)

    async def _batch(
        self, environment: Environment, job: ImportJob, given: Input, caller: Caller, lines: list[bytes]
    ) -> list[tuple[int, dict[str, Any]]]:
        """Stores lines; gives what went wrong: number of the line and the OperationOutcome."""
        entries: dict[int, dict[str, Any]] = {}
        problems: list[tuple[int, dict[str, Any]]] = []
        for number, line in enumerate(lines, job.line + 1):
            if not line.strip():
                continue
            try:
                entries[number] = _entry(line, given.type)
            except FhirError as problem:
                problems.append((number, operation_outcome(problem.issues)))
        for number, response in (await self._performed(environment, job, caller, entries)).items():
            if response["status"][:1] == "2":
                given.stored += 1
            else:
                problems.append((number, response.get("outcome") or operation_outcome([])))
        return problems

    async def _performed(
        self, environment: Environment, job: ImportJob, caller: Caller, entries: dict[int, dict[str, Any]]
    ) -> dict[int, dict[str, Any]]:
        """The responses to entries, by their lines; what can't be stored now is tried again until it can."""
        responses: dict[int, dict[str, Any]] = {}
        pause = FIRST_PAUSE
        assert environment.perform is not None
        while entries:
            bundle = {"resourceType": "Bundle", "type": "batch", "entry": list(entries.values())}
            try:
                request = Request("POST", (), resource=bundle, caller=caller, noting=Noting())
                answer = await environment.perform(environment, request)
            except FhirError as problem:
                if problem.category not in PASSING:
                    raise
                reason = str(problem)
            else:
                told = [entry["response"] for entry in json.decode(answer.body)["entry"]]
                responses |= zip(entries, told, strict=True)
                entries = {line: entry for line, entry in entries.items() if _passes(responses[line])}
                if not entries:
                    break
                reason = f"{len(entries)} lines: {responses[next(iter(entries))]['status']}"
            log.warning("an import waits", job=job.id, problem=reason)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            if await self.jobs.find(job.id) is None:
                raise FileNotFoundError(job.id)
        return responses

    async def _tell(self, job: ImportJob, given: Input, problems: list[tuple[int, dict[str, Any]]]) -> None:
        if not problems:
            return
        if not job.parts:
            job.parts.append(Part(ERRORS, "OperationOutcome", kind="error"))
        lines = []
        for number, outcome in sorted(problems, key=lambda each: each[0]):
            for issue in outcome.get("issue", ()):
                issue["diagnostics"] = f"Line {number}: {issue.get('diagnostics', 'it could not be stored')}"
            lines.append(json.serialize(outcome) + b"\n")
        await self.jobs.append(job, job.parts[0], lines)
        given.failed += len(problems)


def _passes(response: dict[str, Any]) -> bool:
    return int(response["status"][:3]) in PASSING_STATUSES


def _name(at: int) -> str:
    return f"input.{at}.ndjson"


def _reference(line: bytes) -> str:
    """Of the resource that a line is stored as, "" where it is none."""
    try:
        return _entry(line, "")["request"]["url"]
    except FhirError:
        return ""


def _entry(line: bytes, type: str) -> dict[str, Any]:
    resource = json.parse(line)
    found = resource.get("resourceType")
    if not isinstance(found, str) or (type and found != type):
        raise error("invalid", f"It is a {str(found)[:60]}, not a {type or 'resource'}.")
    id = resource.get("id")
    if id is None:
        id = resource["id"] = str(uuid.uuid5(CONTENT, line.decode("utf-8", "replace").strip()))
    if not isinstance(id, str) or not ID_PATTERN.match(id):
        raise error("value", f"{str(id)[:80]!r} can't be an id.")
    return {"resource": resource, "request": {"method": "PUT", "url": f"{found}/{id}"}}
