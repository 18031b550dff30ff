"""The report of a storage commitment: which instances are on the disk, told to the peer that asked."""

from __future__ import annotations

import asyncio
from typing import Any

from pynetdicom import build_context, build_role

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.lost import is_whole
from interfaces.dicom.scu.association import associated
from interfaces.dicom.services.commitment import INSTANCE, SOP_CLASS
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.queue import Job

ALL_COMMITTED, SOME_FAILED = 1, 2
NO_SUCH_INSTANCE, CLASS_CONFLICT, PROCESSING_FAILURE = 0x0112, 0x0119, 0x0110


async def commitment(context: Context, client: FhirClient, job: Job) -> None:
    """Reports to the peer; OSError has it tried again."""
    title, transaction = job.key.rsplit(" ", 1)
    await asyncio.to_thread(_report, context, title, transaction, job.payload["instances"])


def _report(context: Context, title: str, transaction: str, wanted: list[list[str]]) -> None:
    peer = context.configuration.peers().named(title)
    if peer is None:
        raise error("not-found", f"{title} is none of the peers any more.")
    information, kind = report(context.archive, transaction, wanted)
    roles = [build_role(SOP_CLASS, scp_role=True)]
    with associated(context, peer, [build_context(SOP_CLASS)], roles=roles) as association:
        status, _ = association.send_n_event_report(information, kind, SOP_CLASS, INSTANCE)
        if getattr(status, "Status", None) != 0:
            raise OSError(f"{title} did not take the report of storage commitment")


def report(archive: Archive, transaction: str, wanted: list[list[str]]) -> tuple[Any, int]:
    """The event information and the event type (PS3.4 section J.3.3)."""
    from pydicom.dataset import Dataset

    kept, failed = [], []
    for sop_class, uid in wanted:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        row = archive.reading.one("instance", {"uid": uid})
        if row is None:
            item.FailureReason = NO_SUCH_INSTANCE
        elif row["sop_class"] != sop_class:
            item.FailureReason = CLASS_CONFLICT
        elif not is_whole(archive, row):
            item.FailureReason = PROCESSING_FAILURE
        (failed if "FailureReason" in item else kept).append(item)
    made = Dataset()
    made.TransactionUID = transaction
    if kept:
        made.ReferencedSOPSequence = kept
    if failed:
        made.FailedSOPSequence = failed
    return made, SOME_FAILED if failed else ALL_COMMITTED
