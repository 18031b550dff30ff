import json

import pytest

from fhir_server.core.errors import FhirError, error
from fhir_server.core.settings import Settings
from fhir_server.loading.loader import Loader

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path):
    return Settings(data=tmp_path / "data", synchronous="OFF", referential_integrity=True)


async def load(fhir, folder):
    return await Loader(fhir.server, fhir.server.definitions).load([folder])


def write(folder, name, *resources):
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(json.dumps(resource) for resource in resources))
    return folder


async def test_a_load_repeated_stores_nothing_twice(fhir, tmp_path):
    folder = write(tmp_path / "in", "a.ndjson", {"resourceType": "Patient", "id": "1"}, {"resourceType": "Patient"})
    assert (await load(fhir, folder)).loaded == 2
    before = sorted(await fhir.ids("Patient"))
    assert (await load(fhir, folder)).loaded == 2
    assert sorted(await fhir.ids("Patient")) == before


async def test_what_is_refused_is_told_with_its_reason_and_the_rest_is_loaded(fhir, tmp_path):
    folder = write(
        tmp_path / "in",
        "a.ndjson",
        {"resourceType": "Patient", "id": "1", "birthdate": "2000"},
        {"resourceType": "Patient", "id": "2"},
    )
    report = await load(fhir, folder)
    (refusal,) = report.refused
    assert report.loaded == 1
    assert refusal.name.endswith("a.ndjson:1") and "birthDate" in refusal.reason


async def test_a_refused_transaction_is_told_once(fhir, tmp_path):
    entry = {"resource": {"resourceType": "Patient", "gender": "?"}, "request": {"method": "POST", "url": "Patient"}}
    folder = write(
        tmp_path / "in", "a.json", {"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]}
    )
    report = await load(fhir, folder)
    assert report.loaded == 0
    (refusal,) = report.refused
    assert "gender" in refusal.reason


async def test_what_refers_to_later_files_is_tried_again(fhir, tmp_path):
    observation = {
        "resourceType": "Observation",
        "id": "1",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/1"},
    }
    folder = write(tmp_path / "in", "Observation.ndjson", observation)
    write(folder, "Patient.ndjson", {"resourceType": "Patient", "id": "1"})
    report = await load(fhir, folder)
    assert (report.loaded, report.refused) == (2, [])


async def test_what_refers_to_nothing_is_refused_in_the_end(fhir, tmp_path):
    account = {"resourceType": "Account", "id": "1", "status": "active", "subject": [{"reference": "Patient/none"}]}
    report = await load(fhir, write(tmp_path / "in", "a.json", account))
    assert report.loaded == 0 and "Patient/none" in report.refused[0].reason


async def test_hospitals_go_before_the_patients_that_refer_to_them(fhir, tmp_path):
    hospital = {"resourceType": "Organization", "identifier": [{"system": "urn:x", "value": "1"}]}
    create = {"method": "POST", "url": "Organization", "ifNoneExist": "identifier=urn:x|1"}
    patient = {"resourceType": "Patient", "managingOrganization": {"reference": "Organization?identifier=urn:x|1"}}
    folder = write(
        tmp_path / "in",
        "A_Patient.json",
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"resource": patient, "request": {"method": "POST", "url": "Patient"}}],
        },
    )
    write(
        folder,
        "hospitalInformation1.json",
        {"resourceType": "Bundle", "type": "batch", "entry": [{"resource": hospital, "request": create}]},
    )
    report = await load(fhir, folder)
    assert (report.loaded, report.refused) == (2, [])


@pytest.mark.parametrize("category", ["unavailable", "login"])
async def test_a_load_ends_where_the_server_is_away_or_asks_for_a_login(fhir, tmp_path, category):
    class Away:
        async def perform(self, request):
            raise error(category, "not now")

    folder = write(tmp_path / "in", "a.json", {"resourceType": "Patient", "id": "1"})
    with pytest.raises(FhirError, match="not now"):
        await Loader(Away(), fhir.server.definitions).load([folder])
