"""An order of imaging has a Unified Procedure Step made, where the setting says so; taken back, it cancels the step."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fhir_server.client import FhirClient
from interfaces.dicom.fhir import read
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.followed_steps import BY
from interfaces.dicom.work.queue import Job
from interfaces.dicom.workitems import steps
from interfaces.dicom.workitems.statuses import COMPLETED_BEFORE, DUPLICATE, NO_SUCH_STEP, NOBODY_TO_CONTACT, Refused
from interfaces.dicom.worklist import worklist
from mappings.dicom.order_step import step_of, step_uid

JOB = "order-step"  # its key is the order's reference
LEFT = (DUPLICATE, NO_SUCH_STEP, COMPLETED_BEFORE, NOBODY_TO_CONTACT)
TAKEN_BACK = ("revoked", "entered-in-error")


async def order_step(context: Context, client: FhirClient, job: Job) -> None:
    """Makes the step once, while the order is on the worklist; its performers do the rest."""
    archive, uid = context.archive, step_uid(job.key)
    order = await read(client, job.key)
    if order["status"] in TAKEN_BACK:
        await asyncio.to_thread(_attempt, lambda: steps.request_cancel(archive, uid, {}, BY))
        return
    entries = await worklist(client, order=order["id"], zone=context.settings.timezone)
    if entries:
        made = step_of(entries[0].item, steps.date_time(archive.clock()))
        await asyncio.to_thread(_attempt, lambda: steps.create(archive, uid, made, BY))


def _attempt(work: Callable[[], int]) -> None:
    """Does it; a step that is there already, or that can't be cancelled any more, is left as it is."""
    try:
        work()
    except Refused as refusal:
        if refusal.code not in LEFT:
            raise
