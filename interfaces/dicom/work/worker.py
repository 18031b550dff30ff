"""The worker: takes jobs, for FHIR and for each peer one after another, and looks what changed in FHIR."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

from fhir_server.client import FhirClient
from fhir_server.core.errors import PASSING, FhirError
from fhir_server.core.full_disk import lacks_room
from interfaces.dicom.association.sub_operations import NoAnswer
from interfaces.dicom.scu.association import NoAssociation
from interfaces.dicom.services.service import Context
from interfaces.dicom.work import queue
from interfaces.dicom.work.commitment import commitment
from interfaces.dicom.work.contents import contents
from interfaces.dicom.work.following import follow
from interfaces.dicom.work.forwarding import forward
from interfaces.dicom.work.order_steps import JOB as ORDER_STEP
from interfaces.dicom.work.order_steps import order_step
from interfaces.dicom.work.procedure_steps import procedure_step
from interfaces.dicom.work.reports import report
from interfaces.dicom.work.studies import study
from interfaces.dicom.work.workitem_events import workitem_events
from interfaces.dicom.work.workitems import workitem
from interfaces.dicom.workitems.retention import remove_ended

IDLE = 0.2  # seconds between two looks for a job
MOST_PEERS = 8  # that are told something at once
RENEW_EVERY = queue.LEASE / 4_000_000  # seconds
FOLLOW_EVERY = 2.0
AWAY = (1, 5, 15, 60)  # seconds that a peer is not called in once it did not answer, a second time, and so on
TIDY_EVERY = 600.0
EVENTS = "workitem-events"
Handler = Callable[[Context, FhirClient, queue.Job], Awaitable[None]]
TO_FHIR: dict[str, Handler] = {
    "study": study,
    "contents": contents,
    "procedure-step": procedure_step,
    "report": report,
    "workitem": workitem,
    ORDER_STEP: order_step,
}
TO_PEERS: dict[str, Handler] = {"forward": forward, "commitment": commitment, EVENTS: workitem_events}
HANDLERS = {**TO_FHIR, **TO_PEERS}

log = structlog.get_logger("dicom")


class Worker:
    """Runs in the bridge's event loop until it is stopped; what goes to peers holds up nothing that goes to FHIR."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stopping = False
        self._tasks: list[Any] = []
        self._away: dict[str, tuple[int, int]] = {}  # by AE title: how often a peer did not answer, and until when

    def start(self) -> None:
        """Begins in the bridge's loop."""
        self._tasks = [self._context.fhir.start(work) for work in (self._to_fhir, self._to_peers)]

    def stop(self) -> None:
        """Waits for the jobs under way."""
        self._stopping = True
        for task in self._tasks:
            with contextlib.suppress(Exception):
                task.result(30)

    async def _to_fhir(self, client: FhirClient) -> None:
        """Looks what changed in FHIR, and tells it."""
        loop = asyncio.get_running_loop()
        looked, tidied = 0.0, 0.0
        while not self._stopping:
            async with self._steadily():
                if loop.time() - looked >= FOLLOW_EVERY:
                    looked = loop.time()
                    await follow(self._context, client)
                if loop.time() - tidied >= TIDY_EVERY:
                    await asyncio.to_thread(remove_ended, self._context.archive)
                    tidied = loop.time()
                job = await asyncio.to_thread(queue.claim, self._context.archive, TO_FHIR.keys())
                if job is None:
                    await asyncio.sleep(IDLE)
                else:
                    await self.perform(client, job)

    async def _to_peers(self, client: FhirClient) -> None:
        """Serves several peers at once, each one job after another, so that a slow one holds up no other."""
        busy: dict[str, asyncio.Task[None]] = {}
        while not self._stopping:
            async with self._steadily():
                busy = {title: task for title, task in busy.items() if not task.done()}
                job = None
                if len(busy) < MOST_PEERS:
                    job = await asyncio.to_thread(queue.claim, self._context.archive, TO_PEERS.keys(), busy.keys())
                if job is not None:
                    busy[_peer(job)] = asyncio.create_task(self._peer_told(client, job))
                elif busy:
                    await asyncio.wait(busy.values(), timeout=IDLE, return_when=asyncio.FIRST_COMPLETED)
                else:
                    await asyncio.sleep(IDLE)
        if busy:
            await asyncio.wait(busy.values())

    async def _peer_told(self, client: FhirClient, job: queue.Job) -> None:
        """A job for a peer, or its next time where the peer does not answer these days."""
        archive = self._context.archive
        async with self._steadily():
            if (until := self._away.get(_peer(job), (0, 0))[1]) > archive.clock():
                await asyncio.to_thread(queue.later, archive, job, until)
            else:
                await self.perform(client, job)

    @contextlib.asynccontextmanager
    async def _steadily(self) -> AsyncIterator[None]:
        """Goes on after a failure, a while later."""
        try:
            yield
        except FhirError as problem:
            log.warning("FHIR does not answer", problem=str(problem))
            await asyncio.sleep(1)
        except Exception:
            log.exception("the worker stumbled")
            await asyncio.sleep(1)

    async def perform(self, client: FhirClient, job: queue.Job) -> None:
        """One job, to its end or to its next time."""
        archive = self._context.archive
        renewing = asyncio.create_task(self._renew(job))
        try:
            await HANDLERS[job.kind](self._context, client, job)
        except FhirError as problem:
            self._failed(job, problem, str(problem), transient=problem.category in PASSING)
        except (NoAssociation, NoAnswer) as problem:
            times = self._away.get(_peer(job), (0, 0))[0] + 1
            self._away[_peer(job)] = times, archive.clock() + AWAY[min(times, len(AWAY)) - 1] * 1_000_000
            self._failed(job, problem, str(problem), transient=True)
        except OSError as problem:
            self._failed(job, problem, str(problem) or type(problem).__name__, transient=lacks_room(problem))
        except Exception as problem:
            self._failed(job, problem, f"{type(problem).__name__}: {problem}", transient=lacks_room(problem))
        else:
            self._away.pop(_peer(job), None)
            await asyncio.to_thread(queue.done, archive, job)
        finally:
            renewing.cancel()

    async def _renew(self, job: queue.Job) -> None:
        """Keeps the job this process's while it is performed."""
        while True:
            await asyncio.sleep(RENEW_EVERY)
            async with self._steadily():
                await asyncio.to_thread(queue.renew, self._context.archive, job)

    def _failed(self, job: queue.Job, problem: Exception, told: str, *, transient: bool) -> None:
        again = queue.failed(self._context.archive, job, told, transient=transient)
        unexpected = not (transient or isinstance(problem, FhirError | OSError))
        log.warning(
            "job failed", kind=job.kind, attempts=job.attempts + 1, again=again, problem=told, exc_info=unexpected
        )


def _peer(job: queue.Job) -> str:
    """The AE title of the peer that a job is for."""
    return job.key if job.kind == EVENTS else job.key.rsplit(" ", 1)[0]
