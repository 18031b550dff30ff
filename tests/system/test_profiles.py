"""Profiles over HTTP: from packages, from stored StructureDefinitions, declared and required."""

import asyncio
import gzip
import io
import json
import tarfile
from pathlib import Path

import httpx
import msgspec
import pytest
import zstandard

from fhir_server import bootstrap
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from tests.conftest import BASE, Fhir, HeldClock, issue_of
from tests.system.process import hms

pytestmark = pytest.mark.anyio

PACKAGES = Path(__file__).parents[1] / "data/packages"
US_CORE_PATIENT = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
WARD_PATIENT = "http://ward.test/StructureDefinition/ward-patient"
PROFILE = {
    "resourceType": "StructureDefinition",
    "id": "ward-patient",
    "url": WARD_PATIENT,
    "name": "WardPatient",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "Patient.birthDate", "path": "Patient.birthDate", "min": 1},
            {
                "id": "Patient.maritalStatus",
                "path": "Patient.maritalStatus",
                "binding": {"strength": "required", "valueSet": "http://ward.test/ValueSet/states"},
            },
        ]
    },
}
STATES = {
    "resourceType": "CodeSystem",
    "url": "http://ward.test/CodeSystem/states",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "single"}, {"code": "other"}],
}
SET = {
    "resourceType": "ValueSet",
    "url": "http://ward.test/ValueSet/states",
    "status": "active",
    "compose": {"include": [{"system": STATES["url"]}]},
}
MANIFEST = {"name": "ward.test", "version": "1.0.0", "fhirVersions": ["4.0.1"]}


def package(folder: Path, *resources: dict) -> Path:
    file = folder / "ward.tgz"
    with tarfile.open(file, "w:gz") as archive:
        for name, content in [("package", MANIFEST), *((f"r{i}", r) for i, r in enumerate(resources))]:
            data = json.dumps(content).encode()
            member = tarfile.TarInfo(f"package/{name}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file


def patient(**content) -> dict:
    return {"resourceType": "Patient", "meta": {"profile": [WARD_PATIENT]}, **content}


async def issues_of(fhir: Fhir, resource: dict, profile: str) -> list[tuple[str, str]]:
    answer = await fhir.post(f"Patient/$validate?profile={profile}", resource)
    assert answer.status_code == 200, answer.text
    issues = answer.json()["issue"]
    return [(i["severity"], i["details"]["coding"][0]["code"]) for i in issues if "details" in i]


@pytest.fixture
def installed(tmp_path: Path, settings: Settings) -> None:
    hms("packages", "install", package(tmp_path, PROFILE, STATES, SET), "--data", settings.data)


async def test_a_package_takes_effect_in_a_running_server_and_goes(fhir: Fhir, settings, tmp_path) -> None:
    assert await issues_of(fhir, {"resourceType": "Patient"}, WARD_PATIENT) == [("error", "profile-unknown")]
    assert "3 resources" in hms("packages", "install", package(tmp_path, PROFILE, STATES, SET), "--data", settings.data)
    assert await issues_of(fhir, {"resourceType": "Patient"}, WARD_PATIENT) == [("error", "cardinality-min")]
    coding = {"coding": [{"system": STATES["url"], "code": "wed"}]}
    married = patient(birthDate="2000", maritalStatus=coding)
    assert await issues_of(fhir, married, WARD_PATIENT) == [("error", "binding-required")]
    coding["coding"][0]["code"] = "single"
    assert await issues_of(fhir, married, WARD_PATIENT) == []
    assert "ward.test@1.0.0" in hms("packages", "list", "--data", settings.data)
    hms("packages", "remove", "ward.test", "--data", settings.data)
    assert await issues_of(fhir, {"resourceType": "Patient"}, WARD_PATIENT) == [("error", "profile-unknown")]
    assert (await fhir.get(f"ValueSet/$expand?url={SET['url']}")).status_code == 404


async def test_a_stored_structure_definition_is_a_profile_until_it_is_deleted(fhir: Fhir) -> None:
    await fhir.create(PROFILE)
    assert await issues_of(fhir, {"resourceType": "Patient"}, WARD_PATIENT) == [("error", "cardinality-min")]
    await fhir("DELETE", "StructureDefinition/ward-patient")
    assert await issues_of(fhir, {"resourceType": "Patient"}, WARD_PATIENT) == [("error", "profile-unknown")]


async def test_what_a_reference_names_here_is_checked_against_the_profile_for_it(fhir: Fhir) -> None:
    about = {**PROFILE, "id": "about", "url": "http://ward.test/about", "type": "Observation", "differential": {
        "element": [{"id": "Observation.subject", "path": "Observation.subject", "type": [
            {"code": "Reference", "targetProfile": [WARD_PATIENT]}]}]},
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Observation"}  # fmt: skip
    for stored in (PROFILE, about, patient(id="born", birthDate="2000"), patient(id="unborn")):
        assert (await fhir.put(f"{stored['resourceType']}/{stored['id']}", stored)).status_code == 201
    for target, rules in (
        ("Patient/born", []),
        ("Patient/not-here", []),
        ("Patient/unborn", [("error", "reference-profile")]),
        (f"{BASE}/Patient/unborn", [("error", "reference-profile")]),
        ("http://elsewhere.test/Patient/unborn", []),
    ):
        seen = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": target},
        }
        answer = await fhir.post(f"Observation/$validate?profile={about['url']}", seen)
        assert [
            (i["severity"], i["details"]["coding"][0]["code"]) for i in answer.json()["issue"] if "details" in i
        ] == rules


async def test_base_validation_takes_what_only_a_profile_refuses(fhir: Fhir) -> None:
    await fhir.create(PROFILE)
    assert (await fhir.post("Patient", patient())).status_code == 201


@pytest.mark.parametrize(
    ("changed", "resource", "status"),
    [
        ({"validation": "declared"}, patient(), 422),
        ({"validation": "declared"}, patient(birthDate="2000"), 201),
        ({"validation": "declared"}, {"resourceType": "Patient"}, 201),
        ({"required_profiles": (WARD_PATIENT,)}, {"resourceType": "Patient"}, 422),
        ({"required_profiles": (WARD_PATIENT,)}, {"resourceType": "Basic", "code": {"text": "x"}}, 201),
        ({"validation": "declared", "profile_violations": "warn"}, patient(), 201),
        ({"validation": "declared", "profile_violations": "warn"}, patient(birthDate="x"), 422),
    ],
)
async def test_settings_decide_what_a_broken_profile_does(installed, settings, changed, resource, status) -> None:
    application = bootstrap.application(msgspec.structs.replace(settings, **changed), HeldClock())
    transport = httpx.ASGITransport(app=application)
    async with application.running() as server, httpx.AsyncClient(transport=transport) as http:
        answer = await Fhir(http, server).post(resource["resourceType"], resource, Prefer="return=OperationOutcome")
    assert answer.status_code == status, answer.text
    if resource == patient():
        issue = issue_of(answer)
        assert issue["severity"] == ("error" if status == 422 else "warning")
        assert issue["expression"] == ["Patient.birthDate"]


async def test_a_server_does_not_start_with_a_required_profile_that_is_not_there(settings) -> None:
    with pytest.raises(FhirError, match=r"required_profiles names http://ward.test"):
        await bootstrap.start(msgspec.structs.replace(settings, required_profiles=(WARD_PATIENT,)))


async def test_an_installation_that_leaves_something_out_ends_with_1(tmp_path) -> None:
    parameter = {"resourceType": "SearchParameter", "id": "w", "url": "http://ward.test/SearchParameter/w", "name": "W",
                 "status": "active", "description": "w", "code": "w", "base": ["Patient"], "type": "token",
                 "expression": "Patient.(("}  # fmt: skip
    said = hms("packages", "install", package(tmp_path, PROFILE, parameter), "--data", tmp_path / "data", code=1)
    assert "ward.test@1.0.0: 2 resources" in said
    assert "search parameter w of Patient not used" in said


async def test_us_core_is_validated_against(fhir: Fhir, settings, tmp_path) -> None:
    packed = (PACKAGES / "hl7.fhir.us.core-6.1.0.tar.zst").read_bytes()
    file = tmp_path / "us.tgz"
    file.write_bytes(gzip.compress(zstandard.ZstdDecompressor().stream_reader(packed).read(), 1))
    hms("packages", "install", file, "--data", settings.data)
    born = {"resourceType": "Patient", "name": [{"family": "Shaw"}], "gender": "female"}
    assert await issues_of(fhir, born, US_CORE_PATIENT) == [("error", "cardinality-min")]
    identified = {**born, "identifier": [{"system": "http://ward.test/ids", "value": "1"}]}
    assert await issues_of(fhir, identified, US_CORE_PATIENT) == []


async def test_a_profile_that_takes_long_holds_up_nobody(fhir: Fhir) -> None:
    endless = {"key": "w-1", "severity": "error", "human": "x", "expression": "(1|2).repeat($this + 1).exists()"}
    element = {"id": "Patient", "path": "Patient", "constraint": [endless]}
    await fhir.create({**PROFILE, "differential": {"element": [element]}})
    await fhir.create({"resourceType": "Patient", "id": "p"})
    ended: list[str] = []

    async def validate() -> None:
        assert await issues_of(fhir, {"resourceType": "Patient"}, WARD_PATIENT) == [("warning", "w-1")]
        ended.append("validate")

    async def read() -> None:
        await asyncio.sleep(0)
        for _ in range(5):
            assert (await fhir.get("Patient/p")).status_code == 200
        ended.append("read")

    await asyncio.gather(validate(), read())
    assert ended == ["read", "validate"]


MEASURE = {
    "resourceType": "Measure",
    "id": "count",
    "url": "http://ward.test/Measure/count",
    "status": "active",
    "scoring": {"coding": [{"code": "cohort"}]},
    "group": [{"description": "all who came"}],
}

QUESTIONS = {
    "resourceType": "Questionnaire",
    "id": "intake",
    "url": "http://ward.test/Questionnaire/intake",
    "status": "active",
    "item": [{"linkId": "age", "type": "integer", "required": True}],
}


def answers(**value) -> dict:
    return {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "questionnaire": QUESTIONS["url"],
        "item": [{"linkId": "age", "answer": [value]}],
    }


async def test_a_response_is_checked_against_the_stored_questionnaire(fhir: Fhir) -> None:
    async def issues(resource: dict) -> list[str]:
        found = (await fhir.post("QuestionnaireResponse/$validate", resource)).json()["issue"]
        return [i["details"]["coding"][0]["code"] for i in found if "details" in i]

    assert await issues(answers(valueString="old")) == ["questionnaire-unknown"]
    await fhir.create(QUESTIONS)
    assert await issues(answers(valueString="old")) == ["questionnaire-type"]
    assert await issues(answers(valueInteger=40)) == []
    await fhir("DELETE", "Questionnaire/intake")
    assert await issues(answers(valueInteger=40)) == ["questionnaire-unknown"]


async def test_a_report_is_checked_against_the_stored_measure(fhir: Fhir) -> None:
    score = {"group": [{"measureScore": {"value": 1}}]}
    period = {"period": {"start": "2024"}}
    report = {"resourceType": "MeasureReport", "status": "complete", "type": "summary", "measure": MEASURE["url"]}

    async def rules() -> list[str]:
        found = (await fhir.post("MeasureReport/$validate", {**report, **period, **score})).json()["issue"]
        return [i["details"]["coding"][0]["code"] for i in found if "details" in i]

    assert await rules() == ["measure-unknown"]
    await fhir.put("Measure/count", MEASURE)
    assert await rules() == ["measure-score"]


async def test_declared_validation_refuses_a_response_that_does_not_fit(settings) -> None:
    application = bootstrap.application(msgspec.structs.replace(settings, validation="declared"), HeldClock())
    async with application.running() as server, httpx.AsyncClient(transport=httpx.ASGITransport(application)) as http:
        fhir = Fhir(http, server)
        await fhir.create(QUESTIONS)
        assert (await fhir.post("QuestionnaireResponse", answers(valueString="old"))).status_code == 422
        assert (await fhir.post("QuestionnaireResponse", answers(valueInteger=40))).status_code == 201
