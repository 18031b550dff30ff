"""The Task of a Unified Procedure Step: written whenever the step has changed, with who changed it."""

from __future__ import annotations

import asyncio
import json
import uuid

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from interfaces.dicom.archive.index import Row
from interfaces.dicom.archive.record import accession_issuer, dumped
from interfaces.dicom.dataset.model import Model, items, text
from interfaces.dicom.fhir import (
    Resource,
    identified,
    located,
    post,
    put,
    read,
    reference,
    replace,
    search,
    transaction,
)
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.patients import Held, Subject, order_of, subject, survivor
from interfaces.dicom.work.queue import Job
from interfaces.dicom.work.traces import provenance
from interfaces.dicom.workitems.attributes import REQUESTS
from mappings.dicom.coercion import differing, patient_attributes
from mappings.dicom.identifiers import token
from mappings.dicom.imaging_study import patient_resource
from mappings.dicom.task import task, updated
from mappings.dicom.zones import zoned

DATA_OPERATION = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
CREATED = {"system": DATA_OPERATION, "code": "CREATE"}
UPDATED = {"system": DATA_OPERATION, "code": "UPDATE"}
ACCESSION = "00080050"


async def workitem(context: Context, client: FhirClient, job: Job) -> None:
    """Writes the Task, the patient where it is a new one, and the Provenance, in one transaction."""
    archive = context.archive
    row = archive.reading.one("workitem", {"uid": job.key})
    if row is None:
        return
    model: Model = json.loads(row["attributes"])
    try:
        whose, orders = await _whose(client, model)
        if whose.patient is None and text(model, "00100020") and context.settings.dicom_unknown_patients == "hold":
            raise Held("FHIR knows no patient of its Patient ID")
    except Held as held:
        raise error(
            "business-rule", f"The procedure step: {held}. Correct the patient or the order in FHIR and try again."
        ) from held
    current = await _current(client, job.key)
    written, patient = await _written(context, client, row, model, whose, orders, current)
    known = patient_attributes(whose.patient, model) if whose.patient else {}
    coerced = differing(known, model)
    found = {
        "fhir_task": written,
        "fhir_patient": patient,
        "coercion": dumped(coerced),
        "patient_id": text({**model, **coerced}, "00100020"),
    }
    if any(row[name] != value for name, value in found.items()):
        await asyncio.to_thread(archive.write, lambda index: index.change("workitem", {"uid": job.key}, found))


async def _written(
    context: Context,
    client: FhirClient,
    row: Row,
    model: Model,
    whose: Subject,
    orders: list[Resource],
    current: Resource | None,
) -> tuple[str, str]:
    """Commits what has changed; the references of the Task and of its patient, "" for none."""
    entries: list[Resource] = []
    patient = reference(whose.patient) if whose.patient else ""
    if not patient and text(model, "00100020"):
        patient = f"urn:uuid:{uuid.uuid4()}"
        criteria = identified(token(text(model, "00100020"), text(model, "00100021")))
        entries.append(post(patient_resource(model), patient, criteria))
    made = task(
        row["uid"],
        zoned(model, context.settings.timezone, ("00404005", ""), ("00404010", "")),
        subject=patient,
        based_on=[reference(order) for order in orders],
        requester=row["requester"],
        performer=row["performer"],
        created=instant(row["created"] // 1_000_000 * 1_000_000),
    )
    if current is not None:
        made, url = updated(current, made), reference(current)
        if made == current:
            return url, patient
        entry = replace(made)
    else:
        url = f"urn:uuid:{uuid.uuid4()}"
        entry = put(made, identified(f"urn:dicom:uid|urn:oid:{row['uid']}"), url)
    at = len(entries)
    entries.append(entry)
    moment = instant(context.archive.clock())
    activity = UPDATED if current else CREATED
    entries.append(post(provenance(url, row["changed_by"], moment, activity, row["changed_name"])))
    answer = await transaction(client, entries)
    return located(answer[at]), located(answer[0]) if at else patient


async def _whose(client: FhirClient, model: Model) -> tuple[Subject, list[Resource]]:
    """The patient and the orders that asked for a step; Held where they contradict."""
    asked = [each for each in items(model, REQUESTS) if text(each, ACCESSION)]
    numbers = [(text(each, ACCESSION), accession_issuer(each)) for each in asked]
    if text(model, "00100020"):
        whose = await subject(client, model, *(numbers[0] if numbers else ("", "")), {})
    else:
        order = await order_of(client, *numbers[0]) if numbers else None
        of_order = (order or {}).get("subject", {}).get("reference", "")
        patient = await survivor(client, await read(client, of_order)) if of_order.startswith("Patient/") else None
        whose = Subject(patient, order)
    found = [whose.order, *[await order_of(client, *number) for number in numbers[1:]]]
    return whose, list({reference(order): order for order in found if order}.values())


async def _current(client: FhirClient, uid: str) -> Resource | None:
    found = await search(client, "Task", ("identifier", f"urn:dicom:uid|urn:oid:{uid}"))
    return found[0] if found else None
