"""The jobs of one worker, exports or imports: begun here, or taken up from a worker that ended."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import msgspec
import structlog

from fhir_server.core.erasing import Erased
from fhir_server.core.errors import FhirError, error
from fhir_server.core.jobs import JobStore
from fhir_server.core.ports import OPEN, Caller
from fhir_server.core.tasks import end
from fhir_server.interactions.access.callers import Callers
from fhir_server.interactions.access.visible import environment_of
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.operation import Call
from fhir_server.operations.bulk.jobs import Jobs
from fhir_server.security.model import Access
from fhir_server.security.scopes import resource_scopes

MOST_RUNNING = 10
KEPT = 24 * 3600 * 1_000_000  # microseconds that the files of a finished job are kept
RETRY_AFTER = "10"
LOOK = 5.0  # seconds between looks for jobs whose worker is gone

log = structlog.get_logger("bulk")


class Works:
    """Jobs that all workers share; name: what one is called, kind: the Struct that it is kept as."""

    name = ""
    kind: Any = None

    def __init__(self, store: JobStore) -> None:
        self.jobs = Jobs(store, self.kind)
        self._looking: asyncio.Task[None] | None = None
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._environment: Environment | None = None

    async def work(self, environment: Environment, job: Any, caller: Caller) -> None:
        """Works on a job from where it stands to its end; environment: as its caller sees the server."""
        raise NotImplementedError

    async def require_room(self, environment: Environment) -> None:
        """Forgets old jobs; FhirError "throttled" where too many are running."""
        running = 0
        for job in await self.jobs.all():
            if job.state == "running":
                running += 1
            elif job.finished + KEPT < environment.clock():
                await self.jobs.delete(job.id)
        if running >= MOST_RUNNING:
            raise error(
                "throttled", f"{running} {self.name}s are running; ask again later.",
                headers={"Retry-After": RETRY_AFTER},
            )  # fmt: skip

    def whose(self, caller: Caller) -> dict[str, Any]:
        """What every job keeps of its caller, and its id."""
        access: Any = caller.access
        return {
            "id": uuid.uuid4().hex,
            "owner": owner(caller),
            "access": msgspec.to_builtins(access) if access is not None else None,
            "purpose": caller.purpose,
            "resumable": access is not None or caller.restriction is None,
        }

    def follow(self, environment: Environment) -> None:
        """Takes up what runs nowhere, now and whenever another worker ends. environment: the whole server's."""
        self._environment = environment
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while True:
            try:
                for job in await self.jobs.all():
                    self.take_up(job)
            except FhirError as problem:
                log.warning("jobs can't be looked for", kind=self.name, problem=str(problem))
            await asyncio.sleep(LOOK)

    def take_up(self, job: Any) -> None:
        """Goes on with a job if nobody works on it."""
        if job.state == "running" and job.id not in self._tasks:
            self.start(job, None)

    def start(self, job: Any, caller: Caller | None) -> None:
        """Begins to work on a job."""
        task = self._tasks[job.id] = asyncio.create_task(self._attempt(job.id, caller))
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))

    async def _attempt(self, id: str, caller: Caller | None) -> None:
        try:
            await self._run(id, caller)
        except FhirError as problem:  # what it needs, or where jobs are kept, is away: it is taken up again and again
            log.warning("a job can't go on now", job=id, kind=self.name, problem=str(problem))

    async def _run(self, id: str, caller: Caller | None) -> None:
        environment = self._environment
        assert environment is not None
        async with self.jobs.held(id) as mine:
            job = await self.jobs.find(id) if mine else None
            if job is None or job.state != "running":
                return
            try:
                if caller is None and not job.resumable:
                    await self._fail(environment, job, f"Its worker ended; {self.name} again.")
                    return
                found = caller or await self._caller(environment, job)
                await self.work(environment_of(environment, found), job, found)
            except FileNotFoundError:
                return  # deleted while it was worked on
            except Exception as problem:
                if isinstance(problem, FhirError) and problem.category == "unavailable" and job.resumable:
                    raise
                log.exception("job failed", job=id, kind=self.name)
                await self._fail(environment, job, f"The server failed; {self.name} again.")

    async def _fail(self, environment: Environment, job: Any, problem: str) -> None:
        job.state, job.problem, job.finished = "failed", problem, environment.clock()
        await self.jobs.save(job)

    async def _caller(self, environment: Environment, job: Any) -> Caller:
        if job.access is None:
            return OPEN
        callers = environment.callers or Callers(environment)
        return await callers.of_access(msgspec.convert(job.access, Access), job.purpose)

    async def of(self, call: Call) -> Any:
        """The job that a call names; FhirError "not-found" for another's or none, "forbidden" for a lesser token, other
        roles than it was begun with, or where the emergency that it was begun in is over."""
        id = str(call.parameters.one("job") or "")
        job = await self.jobs.find(id)
        if job is None or job.owner != owner(call.request.caller):
            raise error("not-found", f"There is no such {self.name}; it may have been deleted, be too old, or have had "
                        "something of a patient who was erased: begin anew.")  # fmt: skip
        if job.access is not None and not _covers(call.request.caller, job.access):
            raise error(
                "forbidden",
                f"This {self.name} was begun with scopes that the token does not have, or by other roles; begin anew.",
            )
        if job.purpose not in ("", call.request.caller.purpose):
            raise error("forbidden", f"This {self.name} was begun in an emergency: X-Purpose: {job.purpose} says so.")
        return job

    async def delete(self, job: Any) -> None:
        """Ends a job and forgets it."""
        task = self._tasks.get(job.id)
        if task is not None:
            task.cancel()
        await self.jobs.delete(job.id)

    async def erase(self, erased: Erased) -> dict[str, int]:
        """See Erase: forgets the jobs whose files have something of the patient's record."""
        found = [job for job in await self.jobs.all() if await self.has(job, erased.record)]
        for job in found:
            await self.delete(job)
        return {f"{self.name}s": len(found)} if found else {}

    async def has(self, job: Any, record: frozenset[str]) -> bool:
        """Whether files of a job have something of a record, given by references, or may get it yet."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Ends what is under way; another worker, or this one when it starts again, goes on with it."""
        await end(self._looking)
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def _covers(caller: Caller, begun: dict[str, Any]) -> bool:
    """Whether a caller's token has all scopes, and the patient, person and roles, that a job was begun with."""
    mine: Access | None = caller.access
    theirs = msgspec.convert(begun, Access)
    if mine is None or _whose(mine) != _whose(theirs):
        return False
    held = resource_scopes(mine.scope)
    return all(any(each.covers(wanted) for each in held) for wanted in resource_scopes(theirs.scope))


def _whose(access: Access) -> tuple[str, str, frozenset[str]]:
    """What policies and Consents are asked by."""
    return access.patient, access.fhir_user, frozenset(access.roles)


def owner(caller: Caller) -> str:
    """Whose job it is: a client's, or a user's of it."""
    return f"{caller.client}|{caller.user}" if caller.client or caller.user else ""
