"""What follows of a performed procedure step: its Procedure, and the status of the Task or Appointment it performs."""

from __future__ import annotations

import json

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from interfaces.dicom.dataset.model import Model, items, text
from interfaces.dicom.fhir import Resource, identified, put, read, reference, replace, search, transaction
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.patients import survivor
from interfaces.dicom.work.queue import Job
from mappings.dicom.identifiers import token, tokens
from mappings.dicom.procedure import procedure, wrong_entry
from mappings.dicom.task import is_procedure_step
from mappings.dicom.worklist import step_id, study_uid
from mappings.dicom.zones import zoned

SCHEDULED_STEPS = "00400270"
# status of the step -> status of what scheduled it
TASKS = {"IN PROGRESS": "in-progress", "COMPLETED": "completed", "DISCONTINUED": "failed", "NOT THIS": "ready"}
ENDED = frozenset(
    ["completed", "fulfilled", "cancelled", "failed", "rejected", "noshow", "entered-in-error"]
)  # of Task and Appointment
APPOINTMENTS = {"IN PROGRESS": "arrived", "COMPLETED": "fulfilled", "DISCONTINUED": "cancelled", "NOT THIS": "arrived"}


async def procedure_step(context: Context, client: FhirClient, job: Job) -> None:
    """Writes the Procedure, and moves what was scheduled."""
    row = context.archive.reading.one("procedure_step", {"uid": job.key})
    if row is None:
        return
    model: Model = zoned(json.loads(row["attributes"]), context.settings.timezone, ("00400244", "00400245"))
    order, scheduled = await ordered(client, model)
    if order is not None:
        subject = reference(await survivor(client, await read(client, order["subject"]["reference"])))
        await _check_patient(client, model, order, subject)
    else:
        subject = await _patient(client, model)
    made = procedure(job.key, model, subject, reference(order) if order else "")
    entries = [put(made, identified(f"urn:dicom:uid|urn:oid:{job.key}"), f"urn:uuid:{_uuid()}")]
    # a step of a wrong entry leaves what was scheduled to be done (PS3.16 CID 9300)
    entries += moves(scheduled, "NOT THIS" if wrong_entry(made) else row["status"])
    await transaction(client, entries)


def moves(scheduled: list[Resource], status: str) -> list[Resource]:
    """The entries that move what scheduled a step to what its status says."""
    return [replace(moved) for moved in (_moved(step, status) for step in scheduled) if moved is not None]


async def scheduling(client: FhirClient, order: Resource) -> list[Resource]:
    """The Tasks and Appointments of an order."""
    found: list[Resource] = []
    for type in ("Task", "Appointment"):
        found += await search(client, type, ("based-on", reference(order)))
    return [each for each in found if not is_procedure_step(each)]


def _uuid() -> str:
    import uuid

    return str(uuid.uuid4())


def _moved(step: Resource, status: str) -> Resource | None:
    table = TASKS if step["resourceType"] == "Task" else APPOINTMENTS
    wanted = table[status]
    if step["status"] == wanted or step["status"] in ENDED:
        return None
    return {**step, "status": wanted}


async def ordered(client: FhirClient, model: Model) -> tuple[Resource | None, list[Resource]]:
    """The order that a step performs, and the Tasks and Appointments that its scheduled step ids name, or all."""
    for item in items(model, SCHEDULED_STEPS):
        order = await _order(client, item)
        if order is None:
            continue
        scheduled = await scheduling(client, order)
        wanted = text(item, "00400009")
        exact = [step for step in scheduled if step_id(order, step) == wanted]
        return order, exact or scheduled
    return None, []


async def _order(client: FhirClient, item: Model) -> Resource | None:
    accession = text(item, "00080050")
    found: list[Resource] = []
    if accession:
        found = await search(client, "ServiceRequest", ("identifier", token(accession, "")))
    if len(found) == 1:
        return found[0]
    uid = text(item, "0020000D")
    candidates = found or await search(client, "ServiceRequest", ("status", "active"))
    return next((order for order in candidates if study_uid(order) == uid), None)


async def _check_patient(client: FhirClient, model: Model, order: Resource, subject: str) -> None:
    """FhirError "business-rule" where the step is of somebody else than its order, as images of it would be held."""
    named = [reference(await survivor(client, each)) for each in await _named(client, model)]
    if named and subject not in named:
        raise error(
            "business-rule",
            f"The performed procedure step is of {', '.join(dict.fromkeys(named))}, and its order "
            f"{reference(order)} of {subject}; correct the one that is wrong in FHIR and try the job again.",
        )


async def _patient(client: FhirClient, model: Model) -> str:
    found = await _named(client, model)
    if len(found) != 1:
        raise error(
            "business-rule",
            "The performed procedure step names no order, and its Patient ID is not that of one patient; correct the "
            "patient or the order in FHIR and try the job again.",
        )
    return reference(await survivor(client, found[0]))


async def _named(client: FhirClient, model: Model) -> list[Resource]:
    """The patients of its Patient ID."""
    patient_id, issuer = text(model, "00100020"), text(model, "00100021")
    return await search(client, "Patient", ("identifier", tokens(patient_id, issuer))) if patient_id else []
