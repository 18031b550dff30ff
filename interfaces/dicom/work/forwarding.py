"""Sends the instances of a study that a peer has not had yet, as a forward rule or a person wants."""

from __future__ import annotations

import asyncio

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from interfaces.dicom.archive.instances import instances
from interfaces.dicom.scu.services import store
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.queue import Job

UNSENT = "t.uid = ? AND NOT EXISTS (SELECT 1 FROM sent WHERE sent.peer = ? AND sent.uid = i.uid)"


async def forward(context: Context, client: FhirClient, job: Job) -> None:
    """The job's key is the peer's AE title and the study's UID; OSError has it tried again, with what is left."""
    title, study = job.key.rsplit(" ", 1)
    await asyncio.to_thread(_send, context, title, study)


def _send(context: Context, title: str, study: str) -> None:
    peer = context.configuration.peers().named(title)
    if peer is None:
        raise error("not-found", f"{title} is none of the peers any more.")
    archive = context.archive
    rows = instances(archive.reading, UNSENT, [study, title])
    if not rows:
        return

    def sent(uid: str) -> None:
        archive.submit(lambda connection: connection.execute("INSERT OR IGNORE INTO sent VALUES (?,?)", (title, uid)))

    refused = store(context, peer, rows, sent)
    if refused:
        raise OSError(f"{title} refused {len(refused)} of {len(rows)} instances: {refused[0]}")
