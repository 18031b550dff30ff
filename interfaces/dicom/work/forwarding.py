"""Sends the instances of a study that a peer has not had yet, as a forward rule or a person wants."""

from __future__ import annotations

import asyncio

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import Rows, one_of
from interfaces.dicom.archive.instances import instances, patients_of
from interfaces.dicom.archive.placing import enqueue
from interfaces.dicom.disclosing import READ, disclose
from interfaces.dicom.scu.services import store
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.queue import Job

ASKED_TOGETHER = 5000


async def forward(context: Context, client: FhirClient, job: Job) -> None:
    """The job's key is the peer's AE title and the study's UID; OSError has it tried again, with what is left."""
    title, study = job.key.rsplit(" ", 1)
    await asyncio.to_thread(_send, context, title, study)


def send_again(archive: Archive, title: str, study: str) -> None:
    """Has a whole study sent to a peer, what it has had before too; FhirError "not-found" where there is none."""
    uids = [row["instance_uid"] for row in instances(archive.reading, {"0020000D": study}, held=True)]
    if not uids:
        raise error("not-found", f"There is no study {study[:64]} in the archive.")
    moment = archive.clock()

    def work(index: Rows) -> None:
        for start in range(0, len(uids), ASKED_TOGETHER):
            index.remove("sent", {"peer": title, "uid": one_of(uids[start : start + ASKED_TOGETHER])})
        enqueue(index, "forward", f"{title} {study}", moment)

    archive.write(work)


def _send(context: Context, title: str, study: str) -> None:
    peer = context.configuration.peers().named(title)
    if peer is None:
        raise error("not-found", f"{title} is none of the peers any more.")
    archive = context.archive
    rows = instances(archive.reading, {"0020000D": study}, held=True)
    uids = [row["instance_uid"] for row in rows]
    had: set[str] = set()
    for start in range(0, len(uids), ASKED_TOGETHER):
        part = one_of(uids[start : start + ASKED_TOGETHER])
        had.update(archive.reading.distinct("sent", "uid", {"peer": title, "uid": part}))
    rows = [row for row in rows if row["instance_uid"] not in had]
    if not rows:
        return

    disclose(context, (title, peer.host), READ, f"C-STORE/{study}", patients_of(rows))

    def sent(uid: str) -> None:
        archive.submit(lambda index: index.put("sent", {"peer": title, "uid": uid}, {}))

    refused = store(context, peer, rows, sent)
    if refused:
        raise OSError(f"{title} refused {len(refused)} of {len(rows)} instances: {refused[0]}")
