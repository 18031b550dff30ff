"""Follows FHIR: what changed of patients and orders since the last look has its studies looked at again."""

from __future__ import annotations

import asyncio

from fhir_server.client import FhirClient, pages
from fhir_server.core.keys import instant
from interfaces.dicom.archive.index import Row, Rows, one_of
from interfaces.dicom.archive.placing import enqueue
from interfaces.dicom.fhir import Resource, reference
from interfaces.dicom.services.service import Context
from interfaces.dicom.work.followed_steps import follow_patient, follow_tasks
from interfaces.dicom.work.order_steps import JOB as ORDER_STEP

PLACE = "followed"
OVERLAP = 5_000_000  # microseconds looked at again: commits may appear after later ones
PAGE = "1000"  # changes asked for at a time
COLUMNS = {"Patient": "fhir_patient", "ServiceRequest": "fhir_order"}


async def follow(context: Context, client: FhirClient) -> int:
    """Asks for the changes since the last look; gives how many studies are to be looked at again."""
    archive = context.archive
    row = archive.reading.one("note", {"name": PLACE})
    began = archive.clock()
    if row is None:
        archive.write(lambda index: index.put("note", {"name": PLACE}, {"value": str(began)}))
        return 0
    since = instant(int(row["value"]) - OVERLAP)
    changed = {type: await _changed(client, type, since) for type in (*COLUMNS, "Task")}
    seen = archive.followed
    fresh = {type: [found[each] for each in found if each not in seen] for type, found in changed.items()}
    archive.followed = {each for found in changed.values() for each in found}
    await asyncio.to_thread(follow_tasks, archive, fresh.pop("Task"))

    def work(index: Rows) -> int:
        count = 0
        for type, found in fresh.items():
            for each in found:
                if type == "Patient":
                    follow_patient(index, reference(each), began)
                elif archive.settings.dicom_order_steps:
                    enqueue(index, ORDER_STEP, reference(each), began)
                rows = index.all("study", {COLUMNS[type]: reference(each)})
                if type == "ServiceRequest":
                    rows += _without_order(index, each)
                for study in rows:
                    enqueue(index, "study", study["uid"], began)
                count += len(rows)
        index.put("note", {"name": PLACE}, {"value": str(began)})
        return count

    return archive.write(work)


def _without_order(index: Rows, order: Resource) -> list[Row]:
    """The studies of one of its accession numbers that came before the order did."""
    numbers = [each["value"] for each in order.get("identifier", ()) if each.get("value")]
    return index.all("study", {"accession": one_of(numbers), "fhir_order": ""}) if numbers else []


async def _changed(client: FhirClient, type: str, since: str) -> dict[tuple[str, str], Resource]:
    """What changed by reference and version, oldest changes included."""
    found = [
        entry["resource"]
        async for page in pages(client, (type, "_history"), [("_since", since), ("_count", PAGE)])
        for entry in page.get("entry", ())
        if "resource" in entry
    ]
    return {(reference(each), each["meta"]["versionId"]): each for each in found}
