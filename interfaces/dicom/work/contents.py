"""After a study's ImagingStudy: its reports become DiagnosticReports, and its instances go on to peers by the rules."""

from __future__ import annotations

from fhir_server.client import FhirClient
from interfaces.dicom.archive.instances import instances
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.queue import Job

REPORTS = "1.2.840.10008.5.1.4.1.1.88."  # SR storage classes
ENCAPSULATED_PDF = "1.2.840.10008.5.1.4.1.1.104.1"


async def contents(context: Context, client: FhirClient, job: Job) -> None:
    """Asks for what follows of each instance."""
    archive = context.archive
    rows = instances(archive.reading, {"0020000D": job.key}, held=True)
    study = archive.reading.one("study", {"uid": job.key})
    if study is None:
        return
    for row in rows:
        if row["sop_class"].startswith(REPORTS) or row["sop_class"] == ENCAPSULATED_PDF:
            archive.enqueue("report", row["instance_uid"])
    modalities = set(study["modalities"].strip("\\").split("\\"))
    for rule in context.configuration.peers().forward:
        if rule.senders and study["sender"] not in rule.senders:
            continue
        if rule.modalities and not modalities & set(rule.modalities):
            continue
        if rule.to != study["sender"]:
            archive.enqueue("forward", f"{rule.to} {job.key}")
