"""Each feature of R4's search page by HTTP: what is found (https://hl7.org/fhir/R4/search.html)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import httpx
import pytest

from tests.system.process import serving_on
from tests.system.search_data import DIET, LOINC, MRN, RESOURCES, UCUM


@pytest.fixture(scope="module")
def base(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_on(engine, tmp_path_factory.mktemp("search")) as server, httpx.Client() as http:
        for resource in RESOURCES:
            answer = http.put(f"{server.base}/{resource['resourceType']}/{resource['id']}", json=resource)
            assert answer.status_code == 201, answer.text
        yield server.base


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60) as client:
        yield client


def ids(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] == mode]


def finds(http: httpx.Client, url: str) -> list[str]:
    answer = http.get(url)
    assert answer.status_code == 200, answer.text
    return ids(answer.json())


FOUND = f"""
# strings: without case and accents, from the beginning, each part for itself
Patient?name=o'neil: ann
Patient?name=oneil chalmers: ann
Patient?name:contains=neil/chal: ann
Patient?name=O%27NEIL-chal: ann
Patient?name=chalmers:
Patient?name:contains=chalmers: ann
Patient?name:contains=der: bob
Patient?name=bob: bob
Patient?name=B%C3%B3b: bob
Patient?given:exact=Bob:
Patient?given:exact=B%C3%B3b: bob
Patient?family=van der: bob
Patient?family=van  der: bob
Patient?family=smith%5C, jr: bob
Patient?family=smith,o'neil: ann bob
Patient?given=ann&given=sophie: ann
Patient?given=ann&given=bob:
Patient?phonetic=pop:
Patient?phonetic=bopp: bob
Patient?phonetic=bergh: bob
Patient?phonetic=anne%20sofie: ann
Organization?phonetic=akmee: acme
Patient?address=am ring: ann
Patient?address-city=koln: ann
Patient?address-country=de: ann
Patient?address-use=home: ann
Patient?name:missing=true: cyd
Patient?name:missing=false: ann bob
Observation?value-string=apfel: word
# tokens
Patient?gender=female: ann
Patient?gender=http://hl7.org/fhir/administrative-gender|female: ann
Patient?gender=|female:
Patient?gender=female,male: ann bob
Patient?gender:not=female: bob cyd
Patient?gender:not=female,male: cyd
Patient?gender:missing=true: cyd
Patient?active=true: ann
Patient?active=false: bob
Patient?deceased=true: bob
Patient?deceased=false: ann cyd
Patient?identifier={MRN}|001: ann
Patient?identifier=001: ann
Patient?identifier={MRN}|: ann bob
Patient?identifier=|no-system: ann
Patient?identifier=|001:
Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|001: ann
Patient?identifier:of-type=http://terminology.hl7.org/CodeSystem/v2-0203|MR|002:
Patient?identifier:text=record: ann
Patient?identifier:not={MRN}|001: bob cyd
Patient?phone=555-1234: ann
Patient?telecom=email|ann@hospital.test: ann
Patient?email=555-1234:
Patient?language=de: ann
Observation?code=72166-2: smoker
Observation?code={LOINC}|: below dose dose-in-g pressure smoker tablets timed word
Observation?code:text=iron: dose
Observation?value-concept=http://hospital.test/smoking|never: smoker
Observation?value-concept:text=never: smoker
Observation?status:not=final: smoker
Observation?combo-code=8462-4,72166-2: pressure smoker
# tokens by terminology
NutritionOrder?oraldiet:below={DIET}|fruit: apples
NutritionOrder?oraldiet:above={DIET}|apple: apples
NutritionOrder?oraldiet:in=http://hospital.test/ValueSet/sweet: apples
NutritionOrder?oraldiet:not-in=http://hospital.test/ValueSet/sweet: bread
# references
Observation?subject=Patient/ann: dose pressure smoker
Observation?subject=ann: dose pressure smoker
Observation?subject:Patient=ann: dose pressure smoker
Observation?subject:Group=ann:
Observation?patient=Patient/ann: dose pressure smoker
Observation?subject=BASE/Patient/ann: dose pressure smoker
Observation?subject=http://elsewhere.test/fhir/Patient/ann: timed
Observation?subject:identifier={MRN}|001: word
Observation?subject=Patient/ann,Patient/bob: below dose dose-in-g pressure smoker
Observation?subject:missing=true: tablets
RiskAssessment?subject=Group/friends: unlikely
RiskAssessment?patient:missing=true: unlikely
RiskAssessment?patient:missing=false: likely
Observation?patient:missing=true: tablets word
Observation?patient:missing=false: below dose dose-in-g pressure smoker timed
Encounter?location:below=Location/house: stay visit
Encounter?location:below=Location/ward: visit
Encounter?location:above=Location/bed: stay visit
Location?partof:below=Location/house: bed ward
QuestionnaireResponse?questionnaire=http://hospital.test/Questionnaire/q: answered-1 answered-2
QuestionnaireResponse?questionnaire=http://hospital.test/Questionnaire/q|2.0: answered-2
QuestionnaireResponse?questionnaire:below=http://hospital.test/Questionnaire: answered-1 answered-2
# uris
ValueSet?url=http://hospital.test/ValueSet/sweet: sweet
ValueSet?url=http://hospital.test/ValueSet:
ValueSet?url:below=http://hospital.test/ValueSet/sweet: other sweet
ValueSet?url:above=http://hospital.test/ValueSet/sweet/other/deep: other sweet
ValueSet?url=http://hospital.test/valueset/sweet:
# numbers
RiskAssessment?probability=0.8: likely
RiskAssessment?probability=0.80: likely
RiskAssessment?probability=1: likely
RiskAssessment?probability=1.0:
RiskAssessment?probability=0.81:
RiskAssessment?probability=0.12:
RiskAssessment?probability=0.13: unlikely
RiskAssessment?probability=125e-3: unlikely
RiskAssessment?probability=ne0.8: unlikely
RiskAssessment?probability=gt0.125: likely
RiskAssessment?probability=ge0.125: likely unlikely
RiskAssessment?probability=lt0.8: unlikely
RiskAssessment?probability=le0.8: likely unlikely
RiskAssessment?probability=sa0.5: likely
RiskAssessment?probability=eb0.5: unlikely
RiskAssessment?probability=ap0.75: likely
# quantities
Observation?value-quantity=5.4|{UCUM}|mg: dose dose-in-g
Observation?value-quantity=5.4||mg: dose
Observation?value-quantity=5.4: dose
Observation?value-quantity=5.40|{UCUM}|mg: dose dose-in-g
Observation?value-quantity=5.41|{UCUM}|mg:
Observation?value-quantity=5|{UCUM}|mg: dose dose-in-g
Observation?value-quantity=5.0|{UCUM}|mg:
Observation?value-quantity=gt5|{UCUM}|mg: dose dose-in-g
Observation?value-quantity=lt0.005|{UCUM}|g: below
Observation?value-quantity=le5.4|{UCUM}|mg: below dose dose-in-g
Observation?value-quantity=ap5|{UCUM}|mg: below dose dose-in-g
Observation?value-quantity=2||tablets: tablets
Observation?value-quantity=2|{UCUM}|mg:
Observation?value-quantity=ne5.4|{UCUM}|mg: below
Observation?combo-value-quantity=gt100|{UCUM}|mm[Hg]: pressure
Encounter?length=6|{UCUM}|h: visit
Encounter?length=gt1|{UCUM}|d: stay
Condition?onset-age=40|{UCUM}|a: flu
# dates
Patient?birthdate=1970: ann
Patient?birthdate=1970-03-01: ann
Patient?birthdate=1980: bob cyd
Patient?birthdate=1980-06: cyd
Patient?birthdate=ne1980: ann
Patient?birthdate=gt1980:
Patient?birthdate=ge1980: bob cyd
Patient?birthdate=gt1980-03: bob cyd
Patient?birthdate=lt1980-06: ann bob
Patient?birthdate=sa1980-05: cyd
Patient?birthdate=eb1980-06: ann
Patient?birthdate=ap1970: ann
Patient?death-date=2021-05-06: bob
Patient?death-date=2021-05-06T01:30Z: bob
Patient?death-date=2021-05-05:
Observation?date=2020-06-15: dose
Observation?date=2020-06-15T08:30:00Z: dose
Observation?date=2020-06-15T10:30:00%2B02:00: dose
Observation?date=2020-06: below dose dose-in-g
Observation?date=gt2021: tablets
Observation?date=ge2020-12-31&date=lt2021-01-01: pressure
Observation?date=sa2020-12-31: tablets
Observation?date=eb2020: timed
Observation?date=2019: timed
Observation?date=2019-02:
Observation?date=gt2019-01-15&date=lt2019-02: timed
Encounter?date=2020-12-31:
Encounter?date=gt2020-12-31: stay visit
Encounter?date=sa2020-12-31: stay
Encounter?date=2021:
Encounter?date=ge2021: stay
Encounter?date=lt2021: visit
Condition?onset-date=2020: cold
NutritionOrder?datetime=2020: apples bread
NutritionOrder?datetime=2020-01-01: bread
# composites
Observation?component-code-value-quantity=8480-6$gt100: pressure
Observation?component-code-value-quantity=8480-6$lt100:
Observation?component-code-value-quantity=8462-4$lt100|{UCUM}|mm[Hg]: pressure
Observation?code-value-quantity={LOINC}|dose$gt5|{UCUM}|mg: dose dose-in-g
Observation?code-value-concept=72166-2$http://hospital.test/smoking|never: smoker
Observation?code-value-string=x$apfel: word
# near
Location?near=52.52|13.405|1|km: house
Location?near=52.52|13.405|2|km: house ward
Location?near=52.52|13.405|1500|m: house ward
Location?near=52.52|13.405|1|[mi_i]: house ward
Location?near=-17|-179.99|5|km: island
# chains
Observation?subject:Patient.name=o'neil: dose pressure smoker
Observation?patient.name=o'neil: dose pressure smoker
Observation?patient.organization.name=acme: dose pressure smoker
Observation?patient.organization.partof.name=top: dose pressure smoker
Observation?encounter.location.partof.partof.name=house: pressure
Observation?subject:Patient._id=bob: below dose-in-g
Observation?subject:Patient._tag=vip: dose pressure smoker
Observation?subject:Patient.gender:not=female: below dose-in-g
Observation?subject:Patient.birthdate=lt1975&code=dose: dose
Observation?performer:Practitioner.name=grete: dose
Observation?patient.link:Patient.name=o'neil: below dose-in-g
Condition?encounter.service-provider=Organization/acme: cold
# reverse chains
Patient?_has:Observation:patient:code=dose: ann bob
Patient?_has:Observation:patient:code=dose&_has:Observation:patient:code=85354-9: ann
Patient?_has:Condition:patient:code=flu: bob
Patient?_has:Encounter:patient:_has:Observation:encounter:code=85354-9: ann
Organization?_has:Patient:organization:gender=male: top
Organization?_has:Patient:organization:_has:Condition:patient:code=cold: acme
Patient?_has:Group:member:_id=friends: ann bob
Encounter?patient._has:Condition:patient:code=flu: stay
Practitioner?_has:Observation:performer:subject:Patient.name=o'neil: doc
# parameters of every type
Patient?_id=ann,bob: ann bob
Patient?_id:not=ann: bob cyd
Patient?_tag=http://hospital.test/tags|vip: ann
Patient?_tag:not=vip: bob cyd
Patient?_profile=http://hospital.test/StructureDefinition/patient: ann
Patient?_security=R: ann
Patient?_source=http://hospital.test/source/adt: ann
Patient?_source:below=http://hospital.test/source: ann
Patient?_lastUpdated=gt2020: ann bob cyd
Patient?_lastUpdated=lt2020:
Patient?_list=round: bob
Condition?_list=round: cold
Patient?_list=nothing:
Patient?_text=sailing: ann
Patient?_text=sea sailing: ann
Patient?_text=family:
Condition?_text=cold: cold
Condition?_content=cold: cold flu
Condition?_content=influenza: flu
# filters
Patient?_filter=name co "chalmers": ann
Patient?_filter=gender eq male or birthdate eq 1970-03-01: ann bob
Patient?_filter=not (gender eq male): ann cyd
Patient?_filter=birthdate ge 1980 and birthdate pr true: bob cyd
Patient?_filter=organization.name sw "top": bob
Observation?_filter=code eq {LOINC}|dose and subject:Patient[gender eq female].name co "neil": dose
# contained resources
Medication?code=iron: alone
Medication?code=iron&_contained=both: alone contains
Medication?code=iron&_contained=true: contains
MedicationRequest?medication.code=iron: contains refers
MedicationRequest?medication:Medication.code:not=iron:
MedicationRequest?medication.code=zinc:
# compartments
Patient/ann/Observation: dose pressure smoker
Patient/ann/Observation?code=dose: dose
Patient/ann/Condition: cold
Patient/bob/*?_type=Condition,Encounter: flu stay
Encounter/visit/Condition: cold
Practitioner/doc/Observation: dose
"""


def pairs() -> Iterator[tuple[str, Sequence[str]]]:
    for line in FOUND.strip().splitlines():
        if not line.startswith("#"):
            search, _, found = line.rpartition(":")
            yield search, found.split()


@pytest.mark.parametrize(("search", "expected"), list(pairs()), ids=[search for search, _ in pairs()])
def test_what_a_search_finds(base: str, http: httpx.Client, search: str, expected: Sequence[str]) -> None:
    assert sorted(finds(http, f"{base}/{search}".replace("BASE", base))) == expected


def test_documents_and_messages_are_found_by_their_first_resource(http: httpx.Client, base: str) -> None:
    author = {"resourceType": "Practitioner", "id": "a", "name": [{"family": "Author"}]}
    composition = {
        "resourceType": "Composition", "id": "c", "status": "final", "title": "Letter", "date": "2026-01-01",
        "type": {"coding": [{"system": LOINC, "code": "11488-4"}]}, "author": [{"reference": "Practitioner/a"}],
    }  # fmt: skip
    header = {
        "resourceType": "MessageHeader", "eventCoding": {"system": "http://hospital.test/events", "code": "moved"},
        "source": {"endpoint": "http://hospital.test/adt"},
    }  # fmt: skip
    urls = [f"http://elsewhere.test/fhir/{each['resourceType']}/{each['id']}" for each in (composition, author)]
    entries = [{"fullUrl": url, "resource": each} for url, each in zip(urls, (composition, author), strict=True)]
    document = {
        "resourceType": "Bundle", "id": "letter", "type": "document", "timestamp": "2026-01-01T00:00:00Z",
        "identifier": {"system": MRN, "value": "letter"}, "entry": entries,
    }  # fmt: skip
    message = {
        "resourceType": "Bundle", "id": "moved", "type": "message",
        "entry": [{"fullUrl": "urn:uuid:2c2b6f6e-7c2e-4d0c-9d35-0f5f7f5d0001", "resource": header}],
    }  # fmt: skip
    for bundle in (document, message):
        answer = http.put(f"{base}/Bundle/{bundle['id']}", json=bundle)
        assert answer.status_code == 201, answer.text
    for asked, found in {
        "composition.title=lett": ["letter"],
        f"composition.type={LOINC}|11488-4&composition.status=final": ["letter"],
        "composition.status:not=final": [],
        "composition.author=Practitioner/a": ["letter"],
        "message.event=moved": ["moved"],
        "message.event=other": [],
        '_filter=composition.title eq "letter"': ["letter"],
    }.items():
        assert finds(http, f"{base}/Bundle?{asked}") == found, asked
    assert finds(http, f"{base}/Composition?_contained=true&title=letter") == []
