"""One ImagingStudy a study: written once it has been quiet, with all that belongs to it, in one transaction."""

from __future__ import annotations

import asyncio
import json
import uuid

from fhir_server.client import FhirClient
from fhir_server.core.keys import instant
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.index import QUARANTINED, Row, Rows
from interfaces.dicom.archive.instances import instances
from interfaces.dicom.archive.levels import LEVELS
from interfaces.dicom.archive.placing import enqueue, note, patient_columns, patient_row, quarantine, sent_patient
from interfaces.dicom.archive.query import attributes_of
from interfaces.dicom.fhir import Resource, identified, located, post, put, reference, search, transaction
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.patients import Held, Subject, subject
from interfaces.dicom.work.procedure_steps import moves, scheduling
from interfaces.dicom.work.queue import Job
from interfaces.dicom.work.traces import audit_event, provenance
from interfaces.dicom.worklist import is_open
from mappings.dicom.coercion import differing, order_attributes, patient_attributes
from mappings.dicom.engine import Model
from mappings.dicom.identifiers import token, token_in
from mappings.dicom.imaging_study import (
    SeriesModel,
    device_resource,
    endpoint_resource,
    first,
    imaging_study,
    patient_resource,
)
from mappings.dicom.zones import zoned


async def study(context: Context, client: FhirClient, job: Job) -> None:
    """Writes the ImagingStudy of a study, or holds the study where patient and order do not fit."""
    archive = context.archive
    row = archive.reading.one("study", {"uid": job.key})
    if row is None:
        await _gone(client, job.key)
        return
    if row["state"] == QUARANTINED:
        await _withheld(client, job.key)
        return
    rows = instances(archive.reading, {"0020000D": job.key}, held=True)
    decision = json.loads(row["decision"]) if row["decision"] else {}
    kept = kept_patient(archive, row)
    sent = json.loads(row["attributes"])
    try:
        whose = await subject(
            client, kept, first(sent, "00080050"), row["accession_issuer"], decision, row["fhir_order"]
        )
        if whose.patient is None and context.settings.dicom_unknown_patients == "hold":
            raise Held("FHIR knows no patient of its Patient ID")
    except Held as held:
        reason, moment = str(held), archive.clock()
        archive.write(lambda index: quarantine(index, row["pk"], reason, moment))
        await _withheld(client, job.key)
        return
    await _write(context, client, row, rows, whose, kept)


def kept_patient(archive: Archive, row: Row) -> Model:
    """The patient attributes as they were sent, whatever was coerced since."""
    if row["coercion"] and (sent := sent_patient(archive.reading, row)) is not None:
        return sent
    patient = archive.reading.one("patient", {"pk": row["patient"]})
    return json.loads(patient["attributes"]) if patient else {}


async def _write(context: Context, client: FhirClient, row: Row, rows: list[Row], whose: Subject, kept: Model) -> None:
    archive, uid = context.archive, row["uid"]
    entries: list[Resource] = []
    if whose.patient is None:
        patient_url = f"urn:uuid:{uuid.uuid4()}"
        criteria = identified(token(first(kept, "00100020"), first(kept, "00100021")))
        entries.append(post(patient_resource(kept), patient_url, criteria))
    else:
        patient_url = reference(whose.patient)
    endpoint = endpoint_resource(web_base(context))
    endpoint_url = f"urn:uuid:{uuid.uuid4()}"
    entries.append(put(endpoint, "identifier=urn:ultimate-hms:endpoint|dicom-web", endpoint_url))
    series = series_of(rows)
    for made in _devices(series):
        entries.append(post(made, f"urn:uuid:{uuid.uuid4()}", identified(_token(made))))
    order = [reference(whose.order)] if whose.order else []
    sent = json.loads(row["attributes"])
    known = patient_attributes(whose.patient, kept) if whose.patient else {}
    known |= order_attributes(whose.order) if whose.order else {}
    coerced = differing(known, {**sent, **kept})
    accession = first(coerced, "00080050") or first(sent, "00080050")
    whole = zoned(attributes_of(rows[0], LEVELS[:2]), context.settings.timezone, ("00080020", "00080030"))
    resource = imaging_study(
        {**whole, "00080050": {"vr": "SH", "Value": [accession]}},
        series,
        subject=patient_url,
        endpoint=endpoint_url,
        based_on=order,
        issuer=row["accession_issuer"],
    )
    current = await _current(client, uid)
    if current is not None and unchanged(current, resource):
        answer = []
        study_reference, patient_reference = reference(current), current["subject"]["reference"]
    else:
        study_url = f"urn:uuid:{uuid.uuid4()}"
        at = len(entries)
        entries.append(put(resource, identified(f"urn:dicom:uid|urn:oid:{uid}"), study_url))
        moment = instant(archive.clock())
        entries.append(post(provenance(study_url, row["sender"], moment)))
        entries += await _arrived(client, whose.order)
        entries.append(post(audit_event(study_url, patient_url, row["sender"], uid, moment)))
        answer = await transaction(client, entries)
        study_reference = located(answer[at])
        patient_reference = located(answer[0]) if whose.patient is None else patient_url
    references = {"fhir_study": study_reference, "fhir_patient": patient_reference}
    references["fhir_order"] = order[0] if order else ""
    await asyncio.to_thread(_keep, context, row, kept, coerced, accession, references)


def _keep(context: Context, row: Row, kept: Model, coerced: Model, accession: str, references: dict[str, str]) -> None:
    """Keeps the references, and what has to be answered otherwise than it was sent; asks for what follows."""
    archive = context.archive
    moment = archive.clock()
    text = json.dumps(coerced) if coerced else ""

    def work(index: Rows) -> None:
        if text != row["coercion"]:
            note(index, moment, "coerced", row["uid"], {"before": kept, "after": coerced})
            whole = {**kept, **{tag: value for tag, value in coerced.items() if tag.startswith("0010")}}
            target = patient_row(index, whole)
            index.change("patient", {"pk": target}, patient_columns(whole))
            index.change("study", {"pk": row["pk"]}, {"patient": target, "coercion": text, "accession": accession})
        index.change("study", {"pk": row["pk"]}, references)
        enqueue(index, "contents", row["uid"], moment)

    archive.write(work)


def series_of(rows: list[Row]) -> list[SeriesModel]:
    """The series of a study's instances, in their order."""
    grouped: dict[str, SeriesModel] = {}
    for row in rows:
        found = grouped.get(row["series_uid"])
        if found is None:
            found = grouped[row["series_uid"]] = SeriesModel(json.loads(row["series"]), [])
        found.instances.append(json.loads(row["instance"]))  # type: ignore[attr-defined]
    return list(grouped.values())


def _devices(series: list[SeriesModel]) -> list[Resource]:
    made = {}
    for each in series:
        device = device_resource(each.attributes)
        if device:
            made[device["identifier"][0]["value"]] = device
    return list(made.values())


def _token(resource: Resource) -> str:
    identifier = resource["identifier"][0]
    return token_in(identifier["value"], identifier["system"])


async def _arrived(client: FhirClient, order: Resource | None) -> list[Resource]:
    """What scheduled an order has begun once its images arrive; a modality that tells of its steps says so itself."""
    if order is None or await search(client, "Procedure", ("based-on", reference(order))):
        return []
    return moves([each for each in await scheduling(client, order) if is_open(each)], "IN PROGRESS")


async def _current(client: FhirClient, uid: str) -> Resource | None:
    found = await search(client, "ImagingStudy", ("identifier", f"urn:dicom:uid|urn:oid:{uid}"))
    return found[0] if found else None


def unchanged(current: Resource, made: Resource) -> bool:
    """Whether a stored ImagingStudy says what the new one does, whose references are not known yet."""
    beside = ("id", "meta", "endpoint", "text")
    return {key: value for key, value in current.items() if key not in beside} == {
        key: value for key, value in made.items() if key not in beside
    }


async def _gone(client: FhirClient, uid: str) -> None:
    """The ImagingStudy of a study that was deleted from the archive is cancelled."""
    current = await _current(client, uid)
    if current is None or current["status"] == "cancelled":
        return
    current["status"], current["numberOfInstances"], current["numberOfSeries"] = "cancelled", 0, 0
    current.pop("series", None)
    await transaction(client, [put(current, identified(f"urn:dicom:uid|urn:oid:{uid}"), reference(current))])


async def _withheld(client: FhirClient, uid: str) -> None:
    """The ImagingStudy of a study that came into quarantine later says that its images are not to be had."""
    current = await _current(client, uid)
    if current is not None and current["status"] == "available":
        current["status"] = "registered"
        await transaction(client, [put(current, identified(f"urn:dicom:uid|urn:oid:{uid}"), reference(current))])


def web_base(context: Context) -> str:
    """The DICOMweb base URL that links have."""
    settings = context.settings
    if settings.dicom_web_url:
        return settings.dicom_web_url
    if settings.base_url:
        return settings.base_url.removesuffix("/fhir") + "/dicom-web"
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host
    return f"http://{host}:{settings.port}/dicom-web"
