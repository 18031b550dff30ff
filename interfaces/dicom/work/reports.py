"""SR documents and encapsulated PDFs that arrived: their DiagnosticReport, and Observations of their measurements."""

from __future__ import annotations

import asyncio
import uuid

from fhir_server.client import FhirClient
from fhir_server.core.keys import instant
from interfaces.dicom.archive.instances import file_of, instances
from interfaces.dicom.dataset.model import Model, to_model
from interfaces.dicom.dataset.part10 import read_file
from interfaces.dicom.fhir import Resource, identified, put, transaction
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.queue import Job
from mappings.dicom.identifiers import token_in
from mappings.dicom.reports import diagnostic_report, observations
from mappings.dicom.zones import zoned

DOCUMENT = 0x00420011
DOCUMENT_LENGTH = 0x00420015


async def report(context: Context, client: FhirClient, job: Job) -> None:
    """Writes what one document says; the same resources each time, by the document's UID."""
    archive = context.archive
    rows = instances(archive.reading, {"00080018": job.key})
    study = archive.reading.one("study", {"uid": rows[0]["study_uid"]}) if rows else None
    if study is None or not study["fhir_study"]:
        return
    row = rows[0]
    model, pdf = await asyncio.to_thread(_read, file_of(archive, row))
    model = zoned(model, context.settings.timezone, ("00080023", "00080033"), ("00080020", "00080030"))
    subject, reference, issued = study["fhir_patient"], study["fhir_study"], instant(row["received"])
    measured = [] if pdf else observations(model, subject=subject, study=reference, issued=issued)
    made = diagnostic_report(
        model, subject=subject, study=reference, based_on=study["fhir_order"], issued=issued, pdf=pdf
    )
    entries: list[Resource] = []
    for each in measured:
        url = f"urn:uuid:{uuid.uuid4()}"
        made.setdefault("result", []).append({"reference": url})
        entries.append(put(each, identified(token_in(each["identifier"][0]["value"], "urn:dicom:uid")), url))
    entries.append(put(made, identified(f"urn:dicom:uid|urn:oid:{job.key}"), f"urn:uuid:{uuid.uuid4()}"))
    await transaction(client, entries)


def _read(data: bytes) -> tuple[Model, bytes | None]:
    _, data_set = read_file(data)
    element = data_set.elements.get(DOCUMENT)
    pdf = data_set.bytes(element) if element else None
    length = data_set.elements.get(DOCUMENT_LENGTH)
    if pdf is not None and length is not None and length.length == 4:
        pdf = pdf[: int.from_bytes(data_set.bytes(length), "big" if data_set.how.big else "little")]
    return to_model(data_set), pdf
