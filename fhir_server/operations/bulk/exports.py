"""The exports of one worker: begun here, or taken up from one that ended."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import msgspec
import structlog

from fhir_server.core.errors import error
from fhir_server.core.ports import OPEN, Caller
from fhir_server.interactions.callers import Callers
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call
from fhir_server.interactions.visible import environment_of
from fhir_server.operations.bulk.asked import asked_of
from fhir_server.operations.bulk.exporting import work
from fhir_server.operations.bulk.jobs import Job, Jobs

MOST_RUNNING = 10
KEPT = 24 * 3600 * 1_000_000  # microseconds that the files of a finished export are kept
RETRY_AFTER = "10"

log = structlog.get_logger("export")


class Exports:
    """Jobs in a folder that all workers share."""

    def __init__(self, folder: Path) -> None:
        self.jobs = Jobs(folder)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._environment: Environment | None = None

    async def begin(self, environment: Environment, call: Call, url: str) -> Job:
        """A new job for a call; FhirError where it asks for what can't be given, or too many are running."""
        asked = await asked_of(environment, call)
        running = 0
        for job in self.jobs.all():
            if job.state == "running":
                running += 1
            elif job.finished + KEPT < environment.clock():
                self.jobs.delete(job.id)
        if running >= MOST_RUNNING:
            raise error(
                "throttled", f"{running} exports are running; ask again later.", headers={"Retry-After": RETRY_AFTER}
            )
        caller = call.request.caller
        access: Any = caller.access
        job = Job(
            id=uuid.uuid4().hex,
            url=url,
            asked=asked,
            moment=environment.clock(),
            owner=owner(caller),
            access=msgspec.to_builtins(access) if access is not None else None,
            resumable=access is not None or caller.restriction is None,
        )
        self.jobs.create(job)
        self._start(job, caller)
        return job

    def follow(self, environment: Environment) -> None:
        """Takes up what runs nowhere. environment: the whole server's."""
        self._environment = environment
        for job in self.jobs.all():
            self.take_up(job)

    def take_up(self, job: Job) -> None:
        """Goes on with a job if nobody works on it."""
        if job.state == "running" and job.id not in self._tasks:
            self._start(job, None)

    def _start(self, job: Job, caller: Caller | None) -> None:
        task = self._tasks[job.id] = asyncio.create_task(self._run(job.id, caller))
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    async def _run(self, id: str, caller: Caller | None) -> None:
        with self.jobs.held(id) as mine:
            job = self.jobs.find(id) if mine else None
            environment = self._environment
            if job is None or job.state != "running" or environment is None:
                return
            try:
                if caller is None and not job.resumable:
                    job.state, job.problem, job.finished = (
                        "failed",
                        "Its worker ended; export again.",
                        environment.clock(),
                    )
                    self.jobs.save(job)
                    return
                await work(environment_of(environment, caller or await self._caller(environment, job)), self.jobs, job)
            except FileNotFoundError:
                return  # deleted while it was worked on
            except Exception:
                log.exception("export failed", job=id)
                job.state, job.problem, job.finished = "failed", "The server failed; export again.", environment.clock()
                self.jobs.save(job)

    async def _caller(self, environment: Environment, job: Job) -> Caller:
        from fhir_server.security.model import Access

        if job.access is None:
            return OPEN
        callers = environment.callers or Callers(environment)
        return await callers.of_access(msgspec.convert(job.access, Access))

    def of(self, call: Call) -> Job:
        """The job that a call names; FhirError "not-found" for another's and for none."""
        id = str(call.parameters.one("job") or "")
        job = self.jobs.find(id)
        if job is None or job.owner != owner(call.request.caller):
            raise error("not-found", "There is no such export; it may have been deleted, or be too old.")
        return job

    async def delete(self, job: Job) -> None:
        """Ends a job and forgets it."""
        task = self._tasks.get(job.id)
        if task is not None:
            task.cancel()
        self.jobs.delete(job.id)

    async def stop(self) -> None:
        """Ends what is under way; another worker, or this one when it starts again, goes on with it."""
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def owner(caller: Caller) -> str:
    """Whose job it is: a client's, or a user's of it."""
    return f"{caller.client}|{caller.user}" if caller.client or caller.user else ""
