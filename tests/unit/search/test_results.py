"""searches.txt has pairs of a search and what it finds on a server that has these resources."""

from pathlib import Path

import pytest

from tests.unit.search.rendering import read_pairs

PAIRS = read_pairs(Path(__file__).parent / "searches.txt")


def coded(code, display=None):
    return {"coding": [{"system": "http://loinc.org", "code": code} | ({"display": display} if display else {})]}


def quantity(value, code="/min"):
    return {"value": value, "system": "http://unitsofmeasure.org", "code": code, "unit": code}


def order(id, subject, **more):
    return {
        "resourceType": "ServiceRequest", "id": id, "status": "active", "intent": "order", "subject": subject, **more,
    }  # fmt: skip


RESOURCES = [
    {"resourceType": "Organization", "id": "top", "name": "Top"},
    {"resourceType": "Organization", "id": "acme", "name": "Acme", "partOf": {"reference": "Organization/top"}},
    {
        "resourceType": "Patient", "id": "ann", "gender": "female", "birthDate": "1970-03-01", "active": True,
        "meta": {"tag": [{"system": "http://acme.org/tags", "code": "vip"}]},
        "name": [{"family": "Chalmers", "given": ["Ann"]}],
        "identifier": [{"system": "http://acme.org/mrn", "value": "1"}],
        "telecom": [{"system": "email", "value": "ann@acme.org"}],
        "address": [{"city": "Koln"}],
        "managingOrganization": {"reference": "Organization/acme"},
    },
    {
        "resourceType": "Patient", "id": "bob", "gender": "male", "birthDate": "1980", "deceasedDateTime": "2021",
        "meta": {"profile": ["http://acme.org/sd|1"]},
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Uses a wheelchair</div>'},
        "name": [{"family": "Chalmers", "given": ["Bob, Jr"]}],
        "identifier": [
            {"system": "http://acme.org/mrn", "value": "2", "type": {"text": "Medical record", "coding": [
                {"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}},
            {"value": "3"},
            {"value": "Z", "type": {"coding": [{"system": "http://acme.org/types", "code": "X|Y"}]}},
            {"value": "Y|Z", "type": {"coding": [{"system": "http://acme.org/types", "code": "W"}]}},
        ],
        "address": [{"city": "Paris"}],
        "managingOrganization": {"reference": "Organization/acme"},
    },
    {"resourceType": "Patient", "id": "nil"},
    {
        "resourceType": "Observation", "id": "beat", "status": "final", "code": coded("8867-4", "Heart rate"),
        "subject": {"reference": "Patient/ann"}, "effectiveDateTime": "2020-01-01T10:00:30Z",
        "valueQuantity": quantity(72),
    },
    {
        "resourceType": "Observation", "id": "pressure", "status": "final", "code": coded("85354-9"),
        "subject": {"reference": "Patient/ann"}, "effectivePeriod": {"start": "2020-01-02", "end": "2020-01-03"},
        "component": [
            {"code": coded("systolic"), "valueQuantity": quantity(120, "mm[Hg]")},
            {"code": coded("diastolic"), "valueQuantity": quantity(80, "mm[Hg]")},
        ],
    },
    {
        "resourceType": "Encounter", "id": "visit", "status": "finished", "class": {"code": "AMB"},
        "subject": {"identifier": {"system": "http://acme.org/mrn", "value": "9"}}, "period": {"start": "2019-06-01"},
    },
    {
        "resourceType": "RiskAssessment", "id": "risk", "status": "final", "subject": {"reference": "Patient/ann"},
        "prediction": [{"probabilityDecimal": 0.8}, {"probabilityDecimal": 0.55}],
    },
    {
        "resourceType": "Provenance", "id": "origin", "target": [{"reference": "Observation/beat"}],
        "recorded": "2020-01-01T00:00:00Z", "agent": [{"who": {"display": "x"}}],
    },
    {
        "resourceType": "List", "id": "friends", "status": "current", "mode": "working",
        "entry": [{"item": {"reference": "Patient/ann"}}],
    },
    order("elsewhere", {"reference": "https://other.org/fhir/Patient/7/_history/2"}),
    order("logical", {"type": "Patient", "identifier": {"system": "http://acme.org/mrn", "value": "9"}}),
    order("inside", {"reference": "#p"}, contained=[{"resourceType": "Patient", "id": "p"}]),
    order("others", {"reference": "https://other.org/fhir/Group/7"}),
    order("nobody", {"display": "someone"}),
    {
        "resourceType": "DocumentReference", "id": "second", "status": "current",
        "content": [{"attachment": {"url": "https://acme.org/2"}}],
        "relatesTo": [{"code": "replaces", "target": {"reference": "DocumentReference/first"}}],
    },
    {"resourceType": "ValueSet", "id": "vs", "url": "http://acme.org/vs/a", "status": "active"},
    {"resourceType": "Location", "id": "bath", "position": {"latitude": 51.38, "longitude": -2.36}},
    {
        "resourceType": "MedicationRequest", "id": "pills", "status": "active", "intent": "order",
        "subject": {"reference": "Patient/ann"}, "medicationReference": {"reference": "#m"},
        "contained": [{"resourceType": "Medication", "id": "m", "code": coded("aspirin")}],
    },
]  # fmt: skip


@pytest.mark.anyio
async def test_searches_find_these_resources(fhir):
    for resource in RESOURCES:
        await fhir.create(resource)
    wrong = []
    for search, expected in PAIRS:
        answer = await fhir.get(search.replace("|", "%7C").replace(" ", "%20").replace('"', "%22"))
        if answer.status_code != 200:
            wrong.append((search, answer.text))
            continue
        found = sorted(entry["resource"]["id"] for entry in answer.json().get("entry", ()))
        if " ".join(found) != expected.strip("-"):
            wrong.append((search, found))
    assert not wrong
