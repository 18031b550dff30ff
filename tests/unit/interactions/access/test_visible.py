"""A restricted caller meets what it may not see nowhere: here a patient's own view of a small hospital."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Caller
from fhir_server.core.query import NOTHING, Clause, IdIn, RefersTo
from fhir_server.interactions.request import Request
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

CODE = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
RESOURCES: list[dict[str, Any]] = [
    {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Doktor"}]},
    {"resourceType": "Location", "id": "house", "name": "House"},
    {"resourceType": "Location", "id": "hidden", "partOf": {"reference": "Location/house"}},
    {"resourceType": "Location", "id": "room", "partOf": {"reference": "Location/hidden"}},
    {"resourceType": "Patient", "id": "me", "name": [{"family": "Mine"}], "identifier": [{"value": "1"}],
     "generalPractitioner": [{"reference": "Practitioner/doc"}], "link": [
         {"other": {"reference": "Patient/other"}, "type": "seealso"}]},
    {"resourceType": "Patient", "id": "other", "name": [{"family": "Theirs"}], "identifier": [{"value": "2"}],
     "generalPractitioner": [{"reference": "Practitioner/doc"}]},
    {"resourceType": "Encounter", "id": "mine", "status": "finished", "class": {"code": "AMB"},
     "subject": {"reference": "Patient/me"}, "location": [{"location": {"reference": "Location/room"}}]},
    {"resourceType": "Observation", "id": "mine", "status": "final", "code": CODE,
     "subject": {"reference": "Patient/me"}, "performer": [{"reference": "Practitioner/doc"}]},
    {"resourceType": "Observation", "id": "other", "status": "final", "code": CODE,
     "subject": {"reference": "Patient/other"}, "performer": [{"reference": "Practitioner/doc"}]},
    {"resourceType": "DiagnosticReport", "id": "mine", "status": "final", "code": CODE,
     "subject": {"reference": "Patient/me"}, "result": [{"reference": "Observation/other"}]},
    {"resourceType": "List", "id": "secret", "status": "current", "mode": "working",
     "entry": [{"item": {"reference": "Patient/me"}}]},
]  # fmt: skip

LIMITS: dict[str, Clause] = {
    "Patient": IdIn(("me",)),
    "Observation": RefersTo(("subject",), (("Patient", "me"),)),
    "Location": IdIn(("house", "room")),
    "List": NOTHING,
}
ME = Caller("me", LIMITS.get)


@pytest.fixture
async def hospital(fhir: Fhir) -> Fhir:
    for resource in RESOURCES:
        await fhir.create(resource)
    return fhir


async def ask(fhir: Fhir, method: str, url: str, resource: Any = None, **more: Any) -> dict[str, Any]:
    """The answer's body as the restricted caller gets it; {} for none."""
    path, _, query = url.partition("?")
    pairs = [(name, value) for name, _, value in (part.partition("=") for part in query.split("&") if part)]
    request = Request(method, tuple(path.split("/")) if path else (), pairs, resource, caller=ME, **more)
    body = (await fhir.server.perform(request)).body
    return json.loads(body) if body else {}


async def finds(fhir: Fhir, url: str) -> list[str]:
    entries = (await ask(fhir, "GET", url)).get("entry", [])
    return sorted(f"{e['resource']['resourceType']}/{e['resource']['id']}" for e in entries)


async def refused(fhir: Fhir, method: str, url: str, resource: Any = None, **more: Any) -> str:
    with pytest.raises(FhirError) as refusal:
        await ask(fhir, method, url, resource, **more)
    return refusal.value.category


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("Patient", ["Patient/me"]),
        ("Patient?name=theirs", []),
        # chains, forward and back, and what is not so
        ("DiagnosticReport?result.subject:Patient.name=theirs", []),
        ("Observation?subject:Patient.name=mine", ["Observation/mine"]),
        ("Encounter?subject:Patient.link:Patient.name=theirs", []),
        ("Patient?_has:Observation:patient:code=8867-4", ["Patient/me"]),
        ("Practitioner?_has:Observation:performer:subject=Patient/other", []),
        ("Practitioner?_has:Patient:general-practitioner:name=theirs", []),
        ("Practitioner?_has:Patient:general-practitioner:name=mine", ["Practitioner/doc"]),
        ("Practitioner?_has:Patient:general-practitioner:_has:Observation:patient:_id=other", []),
        ("Patient?_list=secret", []),
        ("Patient?_filter=link.name eq 'Theirs'", []),
        ("Encounter?location:below=Location/house", []),
        ("Encounter?location:below=Location/room", ["Encounter/mine"]),
        # what is included
        ("DiagnosticReport?_include=*", ["DiagnosticReport/mine", "Patient/me"]),
        ("Patient?_id=me&_include=Patient:link&_include:iterate=Patient:link", ["Patient/me"]),
        ("Practitioner?_revinclude=Observation:performer", ["Observation/mine", "Practitioner/doc"]),
        ("?_type=Patient,Observation", ["Observation/mine", "Patient/me"]),
        ("Patient/other/Observation", []),
        ("Patient/me/$everything", ["DiagnosticReport/mine", "Encounter/mine", "Location/room", "Observation/mine",
                                    "Patient/me", "Practitioner/doc"]),
        ("Observation/$lastn?subject=Patient/other", []),
    ],
)  # fmt: skip
async def test_searches_and_operations_find_what_may_be_seen(hospital, url, found):
    assert await finds(hospital, url) == found


async def test_counts_are_of_what_may_be_seen(hospital):
    assert (await ask(hospital, "GET", "Observation?_summary=count"))["total"] == 1
    assert (await ask(hospital, "GET", "Patient?_total=accurate"))["total"] == 1


@pytest.mark.parametrize(
    "url",
    [
        "Patient/other",
        "Patient/other/_history",
        "Patient/other/_history/1",
        "Patient/other/$everything",
        "Patient/other/$meta",
        "List/secret",
    ],
)
async def test_what_may_not_be_seen_is_not_there(hospital, url):
    assert await refused(hospital, "GET", url) == "not-found"


async def test_history_of_a_type_and_of_all_shows_what_may_be_seen(hospital):
    assert await finds(hospital, "Patient/_history") == ["Patient/me"]
    assert await finds(hospital, "Observation/_history?_count=1") == ["Observation/mine"]
    assert "Observation/other" not in await finds(hospital, "_history")


async def test_meta_of_a_type_gathers_from_what_may_be_seen(hospital):
    tagged = {**RESOURCES[5], "meta": {"tag": [{"code": "hush"}]}}
    await hospital.create(tagged)
    assert "hush" not in json.dumps(await ask(hospital, "GET", "Patient/$meta"))


async def test_criteria_match_what_may_be_seen(hospital):
    made = await ask(hospital, "POST", "Observation", {**RESOURCES[7], "id": "x"}, if_none_exist="_id=other")
    assert made["id"] != "other"
    await ask(hospital, "DELETE", "Observation?_id=other")
    assert (await hospital.get("Observation/other")).status_code == 200
    assert await refused(hospital, "PATCH", "Observation/other", body=b"[]", content_type="application/json-patch+json")


async def test_nothing_is_written_that_could_not_be_seen(hospital):
    theirs = {**RESOURCES[8], "status": "amended"}
    assert await refused(hospital, "PUT", "Observation/other", theirs) == "forbidden"
    assert await refused(hospital, "PUT", "Observation/mine", {**theirs, "id": "mine"}) == "forbidden"
    assert await refused(hospital, "POST", "Observation", {**theirs, "id": "new"}) == "forbidden"
    assert await refused(hospital, "POST", "Patient/me/$purge") == "forbidden"
    await ask(hospital, "DELETE", "Patient/other")
    assert (await hospital.get("Patient/other")).json()["meta"]["versionId"] == "1"
    assert (await hospital.get("Observation/mine")).json()["meta"]["versionId"] == "1"


async def test_transactions_and_batches_obey(hospital):
    def bundle(type: str) -> dict[str, Any]:
        asked = [{"request": {"method": "GET", "url": url}} for url in ("Patient/other", "Patient?_summary=count")]
        return {"resourceType": "Bundle", "type": type, "entry": asked}

    answers = (await ask(hospital, "POST", "", bundle("batch")))["entry"]
    assert answers[0]["response"]["status"].startswith("404")
    assert answers[1]["resource"]["total"] == 1
    assert await refused(hospital, "POST", "", bundle("transaction")) == "not-found"
    posted = {"resource": {**RESOURCES[8], "id": "y"}, "request": {"method": "POST", "url": "Observation"}}
    whole = {"resourceType": "Bundle", "type": "transaction", "entry": [posted]}
    assert await refused(hospital, "POST", "", whole) == "forbidden"


async def test_conditional_references_name_what_may_be_seen(hospital):
    encounter = {**RESOURCES[6], "subject": {"reference": "Patient?identifier=2"}}
    posted = {"resource": encounter, "request": {"method": "POST", "url": "Encounter"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [posted]}
    assert await refused(hospital, "POST", "", bundle) == "precondition"


async def test_an_open_caller_sees_everything(hospital):
    assert await hospital.ids("Patient?_has:Observation:patient:_id=other") == ["other"]
