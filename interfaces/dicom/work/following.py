"""Follows FHIR: what changed of patients and orders since the last look has its studies looked at again."""

from __future__ import annotations

from fhir_server.api import Request
from fhir_server.client import FhirClient
from fhir_server.codec import json
from fhir_server.core.keys import instant
from interfaces.dicom.archive.index import Rows
from interfaces.dicom.archive.placing import enqueue
from interfaces.dicom.services.service import Context

PLACE = "followed"
OVERLAP = 5_000_000  # microseconds looked at again: commits may appear after later ones
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
    changed = {type: await _changed(client, type, since) for type in COLUMNS}
    seen = archive.followed
    fresh = {type: [each for each in found if each not in seen] for type, found in changed.items()}
    archive.followed = {each for found in changed.values() for each in found}

    def work(index: Rows) -> int:
        count = 0
        for type, found in fresh.items():
            for reference, _ in found:
                rows = index.all("study", {COLUMNS[type]: reference})
                for study in rows:
                    enqueue(index, "study", study["uid"], began)
                count += len(rows)
        index.put("note", {"name": PLACE}, {"value": str(began)})
        return count

    return archive.write(work)


async def _changed(client: FhirClient, type: str, since: str) -> list[tuple[str, str]]:
    """(reference, version) of what changed, oldest changes included."""
    response = await client.perform(Request("GET", (type, "_history"), [("_since", since), ("_count", "1000")]))
    found = []
    for entry in json.parse(response.body).get("entry", ()):
        resource = entry.get("resource")
        if resource is not None:
            found.append((f"{type}/{resource['id']}", resource["meta"]["versionId"]))
    return found
