"""Tells a subscriber what has happened to steps: N-EVENT-REPORT in order, over an association of its own."""

from __future__ import annotations

import asyncio
import json

from pynetdicom import build_context, build_role

from fhir_server.client import FhirClient
from interfaces.dicom.archive.index import below
from interfaces.dicom.disclosing import READ, disclose
from interfaces.dicom.scu.association import associated
from interfaces.dicom.services.identifiers import data_set_of
from interfaces.dicom.services.service import Context, log
from interfaces.dicom.work.queue import Job
from interfaces.dicom.workitems.events import SOP_CLASS
from interfaces.dicom.workitems.finding import patients_of
from interfaces.dicom.workitems.steps import PUSH

TOGETHER = 100
MOST_WAITING = 1000  # events that wait for a channel; of more the oldest are lost


async def workitem_events(context: Context, client: FhirClient, job: Job) -> None:
    """The job's key is the subscriber's AE title; OSError has it tried again, with what is left."""
    await asyncio.to_thread(_send, context, job.key)


def _send(context: Context, title: str) -> None:
    peer = context.configuration.peers().named(title)
    archive = context.archive
    mine = {"subscriber": title}
    if peer is None:  # they wait for its event channel (web/event_channel.py)
        last = archive.reading.all("workitem_event", mine, newest=True, limit=MOST_WAITING)
        if len(last) == MOST_WAITING:
            archive.write(lambda index: index.remove("workitem_event", {**mine, "pk": below(last[-1]["pk"])}))
        return
    if archive.reading.one("workitem_event", mine) is None:
        return
    roles = [build_role(SOP_CLASS, scp_role=True)]
    with associated(context, peer, [build_context(SOP_CLASS)], roles=roles) as association:
        while rows := archive.reading.all("workitem_event", mine, limit=TOGETHER):
            uids = [row["uid"] for row in rows]
            disclose(context, (title, peer.host), READ, "N-EVENT-REPORT/workitems", patients_of(archive.reading, uids))
            for row in rows:
                information = data_set_of(json.loads(row["information"]))
                given = (information, row["type"], PUSH, row["uid"])
                status, _ = association.send_n_event_report(*given, meta_uid=SOP_CLASS)
                code = getattr(status, "Status", None)
                if code is None:
                    raise OSError(f"{title} ended the association during N-EVENT-REPORT")
                if code != 0:  # it was told, and would refuse the same event again
                    log.warning("a subscriber refused an event", subscriber=title, status=f"{code:04X}")
                archive.write(lambda index, pk=row["pk"]: index.remove("workitem_event", {"pk": pk}))
