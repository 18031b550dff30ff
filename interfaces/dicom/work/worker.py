"""The worker: takes jobs one after another, and looks what changed in FHIR."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from fhir_server.client import FhirClient
from fhir_server.core.errors import PASSING, FhirError
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
FOLLOW_EVERY = 2.0
TIDY_EVERY = 600.0
Handler = Callable[[Context, FhirClient, queue.Job], Awaitable[None]]
HANDLERS: dict[str, Handler] = {
    "study": study,
    "contents": contents,
    "forward": forward,
    "procedure-step": procedure_step,
    "commitment": commitment,
    "report": report,
    "workitem": workitem,
    ORDER_STEP: order_step,
    "workitem-events": workitem_events,
}

log = structlog.get_logger("dicom")


class Worker:
    """Runs in the bridge's event loop until it is stopped."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._stopping = False
        self._task: Any = None

    def start(self) -> None:
        """Begins in the bridge's loop."""
        self._task = self._context.fhir.start(self.run)

    def stop(self) -> None:
        """Waits for the job under way."""
        self._stopping = True
        if self._task is not None:
            with contextlib.suppress(Exception):
                self._task.result(30)

    async def run(self, client: FhirClient) -> None:
        """Job after job."""
        loop = asyncio.get_running_loop()
        looked, tidied = 0.0, 0.0
        while not self._stopping:
            try:
                if loop.time() - looked >= FOLLOW_EVERY:
                    await follow(self._context, client)
                    looked = loop.time()
                if loop.time() - tidied >= TIDY_EVERY:
                    await asyncio.to_thread(remove_ended, self._context.archive)
                    tidied = loop.time()
                job = await asyncio.to_thread(queue.claim, self._context.archive)
                if job is None:
                    await asyncio.sleep(IDLE)
                    continue
                await self.perform(client, job)
            except FhirError as problem:
                looked = loop.time()
                log.warning("FHIR does not answer", problem=str(problem))
                await asyncio.sleep(1)
            except Exception:
                log.exception("the worker stumbled")
                await asyncio.sleep(1)

    async def perform(self, client: FhirClient, job: queue.Job) -> None:
        """One job, to its end or to its next time."""
        archive = self._context.archive
        try:
            await HANDLERS[job.kind](self._context, client, job)
        except FhirError as problem:
            kept = queue.failed(archive, job, str(problem), transient=problem.category in PASSING)
            log.warning("job failed", kind=job.kind, attempts=job.attempts + 1, again=kept, problem=str(problem))
        except (OSError, TimeoutError) as problem:
            kept = queue.failed(archive, job, str(problem) or type(problem).__name__, transient=False)
            log.warning("job failed", kind=job.kind, attempts=job.attempts + 1, again=kept, problem=str(problem))
        except Exception as problem:
            queue.failed(archive, job, f"{type(problem).__name__}: {problem}", transient=False)
            log.exception("job failed", kind=job.kind)
        else:
            await asyncio.to_thread(queue.done, archive, job)
