"""$de-identify, $k-anonymity and de-identified exports over stored resources."""

import asyncio
import json
from pathlib import Path

import pytest

from fhir_server.operations.bulk.asked import Asked
from fhir_server.operations.bulk.exporting import Exporting
from fhir_server.operations.bulk.jobs import Job, Jobs
from fhir_server.storage.files.jobs import FolderJobs
from tests.conftest import Fhir
from tests.system.process import hms

pytestmark = pytest.mark.anyio


def patient(number: int) -> dict:
    return {"resourceType": "Patient", "id": f"p{number}", "name": [{"family": f"Quxen{number}"}], "gender": "male",
            "birthDate": f"198{number % 2}-02-03"}  # fmt: skip


async def test_a_stored_resource_and_one_that_comes(fhir: Fhir) -> None:
    await fhir.put("Patient/p1", patient(1))
    stored = (await fhir.get("Patient/p1/$de-identify?dates=year")).json()
    assert "Quxen" not in json.dumps(stored) and stored["birthDate"] == "1981"
    answer = await fhir.post("$de-identify", {"resourceType": "Bundle", "type": "collection", "entry": [
        {"resource": patient(1)}]})  # fmt: skip
    assert answer.json()["entry"][0]["resource"]["id"] == stored["id"]
    assert (await fhir.post("$de-identify", {"resourceType": "Parameters"})).status_code == 400
    assert (await fhir.get("Patient/p1/$de-identify?dates=never")).status_code == 400


async def test_how_well_people_hide(fhir: Fhir) -> None:
    for number in range(5):
        await fhir.put(f"Patient/p{number}", patient(number))
    found = {
        each["name"]: each["valueInteger"] for each in (await fhir.get("Patient/$k-anonymity")).json()["parameter"]
    }
    assert found == {"k": 2, "resources": 5, "classes": 2, "unique": 0, "small": 5}
    answer = await fhir.get("Patient/$k-anonymity?quasi=gender&threshold=3")
    assert answer.json()["parameter"][0]["valueInteger"] == 5
    assert (await fhir.get("Patient/$k-anonymity?quasi=gender(")).status_code == 400


async def test_a_deidentified_export_and_its_report(fhir: Fhir, tmp_path: Path) -> None:
    for number in range(3):
        await fhir.put(f"Patient/p{number}", patient(number))
    begun = await fhir.get("$export?_type=Patient&_deidentify=year", prefer="respond-async")
    assert begun.status_code == 202, begun.text
    while (answer := await fhir.http.get(begun.headers["content-location"])).status_code == 202:
        await asyncio.sleep(0.01)
    text = (await fhir.http.get(answer.json()["output"][0]["url"])).text
    assert text.count("\n") == 3 and "Quxen" not in text and "-02-03" not in text
    (tmp_path / "out.ndjson").write_text(text)
    said = hms("k-anonymity", tmp_path / "out.ndjson", "--threshold", 2)
    assert "k          1" in said and "small      1" in said


async def test_an_export_that_is_taken_up_again_has_the_provenance_of_what_was_there_before(fhir: Fhir) -> None:
    for number in range(2):
        await fhir.put(f"Patient/p{number}", patient(number))
        await fhir.put(f"Provenance/v{number}", {
            "resourceType": "Provenance", "id": f"v{number}", "recorded": "2026-01-01T00:00:00Z",
            "target": [{"reference": f"Patient/p{number}"}], "agent": [{"who": {"display": "x"}}]})  # fmt: skip
    asked = Asked(level="patient", types=("Patient", "Provenance"), deidentify="year")
    jobs = Jobs(FolderJobs(fhir.server.settings.data / "exports"))
    job = Job(id="again", url="", asked=asked, moment=fhir.server.environment.clock())
    await jobs.create(job)
    whole = await lines(jobs, await done(fhir, jobs, job))
    assert len(whole) == 4
    job.at, job.cursor, job.state = 1, "", "running"  # as it stood once the patients were done
    job.parts = [part for part in job.parts if part.type == "Patient"]
    assert await lines(jobs, await done(fhir, jobs, job)) == whole


async def done(fhir: Fhir, jobs: Jobs, job: Job) -> Job:
    assert await Exporting(fhir.server.environment, jobs, job).run()
    return job


async def lines(jobs: Jobs, job: Job) -> list[bytes]:
    return [line for part in job.parts async for line in jobs.lines(job, part.name)]
