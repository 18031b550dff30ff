"""Clients that others wrote, on a started server: fhirpy, waiting and not, and SMART's fhirclient."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.bundle import Bundle
from fhirclient.models.fhirdate import FHIRDate
from fhirclient.models.humanname import HumanName
from fhirclient.models.observation import Observation
from fhirclient.models.organization import Organization
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException
from fhirpy import AsyncFHIRClient, SyncFHIRClient
from fhirpy.base.exceptions import MultipleResourcesFound, OperationOutcome, ResourceNotFound

from tests.system.process import serving_on

SYSTEM = "http://hospital.test/mrn"
LOINC = "http://loinc.org"


@pytest.fixture(scope="module")
def base(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with three patients of one organization, and an observation a day for the first."""
    with serving_on(engine, tmp_path_factory.mktemp("clients")) as server:
        client = SyncFHIRClient(server.base)
        client.resource("Organization", id="acme", name="Acme Hospital").save()
        for id, family, birth in (("ada", "Lovelace", "1815-12-10"), ("bob", "Brown", "1970"), ("cy", "Clark", "2001")):
            client.resource(
                "Patient",
                id=id,
                name=[{"family": family, "given": [id.title()]}],
                birthDate=birth,
                identifier=[{"system": SYSTEM, "value": id}],
                managingOrganization={"reference": "Organization/acme"},
            ).save()
        for day in range(1, 8):
            client.resource(
                "Observation",
                status="final",
                code={"coding": [{"system": LOINC, "code": "8867-4"}]},
                subject={"reference": "Patient/ada"},
                effectiveDateTime=f"2026-11-{day:02}",
                valueQuantity={
                    "value": 60 + day,
                    "unit": "/min",
                    "system": "http://unitsofmeasure.org",
                    "code": "/min",
                },
            ).save()
        yield server.base


@pytest.fixture
def fhirpy(base: str) -> SyncFHIRClient:
    return SyncFHIRClient(base)


def ids(found: list) -> list[str]:
    return [resource.id for resource in found]


def test_fhirpy_writes_reads_patches_and_deletes(fhirpy: SyncFHIRClient) -> None:
    patient = fhirpy.resource("Patient", name=[{"family": "New", "given": ["A", "B"]}], active=False)
    patient.save()
    assert patient.id and patient["meta"]["versionId"] == "1"
    patient["active"] = True
    patient.update()
    assert patient["meta"]["versionId"] == "2"
    patient.patch(birthDate="1999-01-02", active=None)
    assert patient["birthDate"] == "1999-01-02" and "active" not in patient
    read = fhirpy.reference("Patient", patient.id).to_resource()
    assert read.serialize() == patient.serialize() and read["name"][0]["given"] == ["A", "B"]
    read.refresh()
    patient.delete()
    with pytest.raises(ResourceNotFound, match="deleted"):
        fhirpy.reference("Patient", patient.id).to_resource()


def test_fhirpy_searches_sorts_limits_and_counts(fhirpy: SyncFHIRClient) -> None:
    patients = fhirpy.resources("Patient").search(organization__Organization__name="acme", identifier=f"{SYSTEM}|")
    assert ids(patients.sort("-birthdate").fetch()) == ["cy", "bob", "ada"]
    assert ids(patients.sort("family").limit(2).fetch()) == ["bob", "cy"]
    assert ids(patients.sort("family").limit(1).fetch_all()) == ["bob", "cy", "ada"]
    assert patients.count() == 3
    first = patients.sort("birthdate").first()
    assert first is not None and first["name"][0]["family"] == "Lovelace"
    assert ids(patients.search(birthdate__ge="1970", birthdate__lt="2000").fetch()) == ["bob"]
    assert patients.search(name="nobody").first() is None
    assert fhirpy.resources("Patient").search(name__exact="Brown").get().id == "bob"
    with pytest.raises(MultipleResourcesFound):
        patients.get()


def test_fhirpy_follows_references_both_ways(fhirpy: SyncFHIRClient) -> None:
    observations = fhirpy.resources("Observation").search(subject__Patient__family="lovelace", date__gt="2026-11-05")
    assert observations.count() == 2
    observation = observations.sort("-date").first()
    assert observation is not None
    assert observation["subject"].to_resource()["name"][0]["family"] == "Lovelace"
    having = fhirpy.resources("Patient").has("Observation", "patient", code=f"{LOINC}|8867-4")
    assert ids(having.fetch()) == ["ada"]
    found = observations.include("Observation", "subject", "Patient").fetch_raw()
    assert [entry.resource.id for entry in found.entry if entry.search.mode == "include"] == ["ada"]
    slim = fhirpy.resources("Patient").search(_id="ada").elements("birthDate").first()
    assert slim is not None and "identifier" not in slim and slim["birthDate"] == "1815-12-10"


def test_fhirpy_creates_updates_patches_and_deletes_by_condition(fhirpy: SyncFHIRClient) -> None:
    one = fhirpy.resources("Patient").search(identifier=f"{SYSTEM}|conditional")
    made = fhirpy.resource("Patient", identifier=[{"system": SYSTEM, "value": "conditional"}])
    created, was_made = one.get_or_create(made)
    again, was_made_again = one.get_or_create(made)
    assert (was_made, was_made_again) == (True, False) and created.id == again.id
    made["active"] = True
    updated, was_created = one.update(made)
    assert not was_created and updated.id == created.id and updated["active"] is True
    assert one.patch(birthDate="2000")["birthDate"] == "2000"
    one.delete()
    assert one.count() == 0


def test_fhirpy_is_told_what_is_wrong(fhirpy: SyncFHIRClient) -> None:
    assert fhirpy.resource("Patient", gender="female").is_valid()
    assert not fhirpy.resource("Patient", gender="lady").is_valid()
    with pytest.raises(OperationOutcome, match="birthDate"):
        fhirpy.resource("Patient", birthdate="2000").save()
    with pytest.raises(OperationOutcome, match="birthdate"):
        fhirpy.resources("Patient").search(birth_date="2000").fetch()
    with pytest.raises(ResourceNotFound):
        fhirpy.reference("Patient", "nobody").to_resource()


def test_fhirpy_sends_transactions(fhirpy: SyncFHIRClient) -> None:
    uuid = "urn:uuid:4d2a4e5e-0cdd-4be7-8a5b-0f2a3b1c0001"
    patient = {"resourceType": "Patient", "name": [{"family": "Transaction"}]}
    condition = {"resourceType": "Condition", "subject": {"reference": uuid}}
    entries = [
        {"fullUrl": uuid, "resource": patient, "request": {"method": "POST", "url": "Patient"}},
        {"resource": condition, "request": {"method": "POST", "url": "Condition"}},
    ]
    answer = fhirpy.execute("", data={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201", "201"]
    found = fhirpy.resources("Condition").search(subject__Patient__family="transaction").fetch()
    assert len(found) == 1 and found[0]["subject"].to_resource()["name"][0]["family"] == "Transaction"


def test_fhirpy_without_waiting_does_many_things_at_once(base: str) -> None:
    async def work() -> None:
        client = AsyncFHIRClient(base)
        made = [client.resource("Basic", code={"text": f"async {number}"}) for number in range(30)]
        await asyncio.gather(*(resource.save() for resource in made))
        assert len({resource.id for resource in made}) == 30
        await asyncio.gather(*(resource.patch(created="2026-11-24") for resource in made))
        basics = client.resources("Basic").search(created="2026-11-24")
        assert await basics.count() == 30
        paged = [resource.id async for resource in basics.sort("_id").limit(7)]
        assert paged == sorted(resource.id for resource in made)
        assert (await made[0].to_reference().to_resource()).id == made[0].id
        first = await basics.sort("-_id").first()
        assert first is not None and first.id == paged[-1]
        once = client.resources("Patient").search(identifier=f"{SYSTEM}|once")
        wanted = client.resource("Patient", identifier=[{"system": SYSTEM, "value": "once"}])
        answers = await asyncio.gather(*(once.get_or_create(wanted) for _ in range(5)))
        assert sorted(created for _, created in answers) == [False] * 4 + [True]
        await asyncio.gather(*(resource.delete() for resource in made))
        assert await basics.count() == 0

    asyncio.run(work())


@pytest.fixture
def smart(base: str) -> FHIRClient:
    return FHIRClient(settings={"app_id": "tests", "api_base": base})


def test_fhirclient_connects_and_reads(smart: FHIRClient) -> None:
    assert smart.prepare() and smart.ready
    assert smart.server.capabilityStatement.fhirVersion == "4.0.1"
    patient = Patient.read("ada", smart.server)
    assert smart.human_name(patient.name[0]) == "Ada Lovelace"
    assert patient.birthDate.isostring == "1815-12-10"
    assert patient.managingOrganization.resolved(Organization).name == "Acme Hospital"
    with pytest.raises(FHIRNotFoundException):
        Patient.read("nobody", smart.server)


def test_fhirclient_creates_updates_and_deletes(smart: FHIRClient) -> None:
    patient = Patient()
    patient.name = [HumanName({"family": "Smart", "given": ["Sam"]})]
    patient.birthDate = FHIRDate("1984-06-12")
    made = patient.create(smart.server)
    assert made is not None
    stored = Patient.read(made["id"], smart.server)
    assert stored.as_json()["name"] == [{"family": "Smart", "given": ["Sam"]}]
    stored.active = True
    assert stored.update(smart.server)["meta"]["versionId"] == "2"
    stored.delete()
    with pytest.raises(Exception) as gone:
        Patient.read(made["id"], smart.server)
    assert gone.value.response.status_code == 410


def test_fhirclient_searches_and_pages(smart: FHIRClient) -> None:
    search = Observation.where({"subject": "Patient/ada", "_sort": "-date", "_count": "3"})
    pages = list(search.perform_iter(smart.server))
    assert [len(page.entry) for page in pages] == [3, 3, 1]
    days = [observation.effectiveDateTime.date.day for observation in search.perform_resources_iter(smart.server)]
    assert days == [7, 6, 5, 4, 3, 2, 1]
    named = Patient.where({"family": {"$exact": "Clark"}}).perform_resources_iter(smart.server)
    assert [patient.id for patient in named] == ["cy"]
    either = Patient.where({"family": {"$or": ["brown", "clark"]}, "_sort": "birthdate"})
    assert [patient.id for patient in either.perform_resources_iter(smart.server)] == ["bob", "cy"]
    chained = Observation.where({"subject": {"$type": "Patient", "family": "lovelace"}})
    assert len(list(chained.perform_resources_iter(smart.server))) == 7
    with_patient = next(search.include("subject").perform_iter(smart.server))
    assert {entry.resource.resource_type for entry in with_patient.entry} == {"Observation", "Patient"}


def test_fhirclient_sends_transactions(smart: FHIRClient) -> None:
    entry = {
        "resource": {"resourceType": "Patient", "name": [{"family": "Batch"}]},
        "request": {"method": "POST", "url": "Patient"},
    }
    bundle = Bundle({"resourceType": "Bundle", "type": "transaction", "entry": [entry, entry]})
    answer = bundle.create(smart.server)
    assert [made["response"]["status"][:3] for made in answer["entry"]] == ["201", "201"]
