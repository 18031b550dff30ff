"""DICOMweb of a secured server: a token sees the studies whose ImagingStudy it may read, and no other by any path."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.dicom.conftest import until
from tests.system.dicom.images import image
from tests.system.dicom.procedure_steps import step
from tests.system.process import hms, serving

OPTIONS = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0, "--dicom-study-pause-seconds", 1)
OWN, OTHER = (
    image(32, StudyInstanceUID=f"1.2.7.{number}", SeriesInstanceUID=f"1.2.7.{number}.1", PatientID=id, PatientName=name)
    for number, id, name in ((1, "own", "Own^Ada"), (2, "other", "Other^Eve"))
)
JSON = {"content-type": "application/dicom+json"}
Ask = Callable[..., httpx.Response]


class Clinic:
    """Two patients with a study each; ids: of their Patients by PatientID."""

    def __init__(self, server: Any, data: Path) -> None:
        self.server, self.data = server, data
        self.everything = everything = self.caller("system/*.cruds")
        for made in (OWN, OTHER):
            answer = store(everything, made)
            assert answer.status_code == 200, answer.text
        self.ids: dict[str, str] = {}
        for number in ("own", "other"):
            study = until(lambda number=number: self.studies(everything, number))
            self.ids[number] = study[0]["resource"]["subject"]["reference"].removeprefix("Patient/")

    def studies(self, ask: Ask, number: str) -> list[dict]:
        return ask("GET", f"/fhir/ImagingStudy?patient.identifier={number}").json().get("entry", [])

    def caller(self, scope: str, patient: str = "") -> Ask:
        token = hms(
            "token", "--data", self.data, "--base-url", self.server.base, "--scope", scope, "--patient", patient
        )
        headers = {"authorization": f"Bearer {token.strip()}"}

        def ask(method: str, path: str, **more: Any) -> httpx.Response:
            more["headers"] = headers | more.get("headers", {})
            return httpx.request(method, self.server.origin + path, **more)

        return ask


def store(ask: Ask, made: Any) -> httpx.Response:
    file = io.BytesIO()
    made.save_as(file, enforce_file_format=True)
    body = b"--b\r\nContent-Type: application/dicom\r\n\r\n" + file.getvalue() + b"\r\n--b--\r\n"
    kind = 'multipart/related; type="application/dicom"; boundary=b'
    accept = "application/dicom+json"
    return ask("POST", "/dicom-web/studies", content=body, headers={"content-type": kind, "accept": accept})


def paths(made: Any) -> list[str]:
    """Every way to what is in a study."""
    study = f"/dicom-web/studies/{made.StudyInstanceUID}"
    series = f"{study}/series/{made.SeriesInstanceUID}"
    instance = f"{series}/instances/{made.SOPInstanceUID}"
    asked = f"studyUID={made.StudyInstanceUID}&seriesUID={made.SeriesInstanceUID}&objectUID={made.SOPInstanceUID}"
    below = [
        f"{level}{part}" for level in (study, series, instance) for part in ("", "/metadata", "/rendered", "/bulkdata")
    ]
    return [*below, f"{instance}/frames/1", f"{instance}/frames/1/window", f"{instance}/frames/1/rendered",
            f"{instance}/bulkdata/7FE00010", f"{study}/thumbnail",
            f"/dicom-web/wado?requestType=WADO&{asked}"]  # fmt: skip


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clinic]:
    data = tmp_path_factory.mktemp("clinic") / "data"
    with serving(data, "--security", "smart", *OPTIONS) as server:
        yield Clinic(server, data)


@pytest.fixture(scope="module")
def own(clinic: Clinic) -> Ask:
    return clinic.caller("patient/*.rs", clinic.ids["own"])


def test_nobody_without_a_token(clinic: Clinic) -> None:
    for path in ("/dicom-web/studies", *paths(OWN)):
        assert httpx.get(clinic.server.origin + path).status_code == 401, path


def test_searches_find_the_own_studies_at_every_level(own: Ask) -> None:
    for level in ("studies", "series", "instances", f"studies/{OWN.StudyInstanceUID}/series"):
        found = own("GET", f"/dicom-web/{level}").json()
        assert {each["0020000D"]["Value"][0] for each in found} == {OWN.StudyInstanceUID}, level
    asked = f"/dicom-web/studies?StudyInstanceUID={OTHER.StudyInstanceUID}"
    assert own("GET", asked).status_code in (200, 204) and not own("GET", asked).content.strip(b"[]")


def test_no_path_gives_what_is_anothers(own: Ask) -> None:
    for path in paths(OTHER):
        unknown = path.replace("1.2.7.2", "1.2.7.9")
        assert own("GET", path).status_code == own("GET", unknown).status_code == 404, path
    for path in paths(OWN):
        assert own("GET", path).status_code in (200, 404, 406), path
    assert own("GET", paths(OWN)[0]).status_code == 200


def test_writing_takes_a_scope_that_writes(own: Ask, clinic: Clinic) -> None:
    assert store(own, image(16)).status_code == 403
    assert own("DELETE", paths(OTHER)[0]).status_code in (403, 404, 405)
    assert clinic.caller("user/Patient.rs")("GET", "/dicom-web/studies").status_code == 403


def told(clinic: Clinic, criteria: str) -> list[str]:
    """What the audit log has of requests to DICOMweb: what was asked for and its outcome, the oldest first."""
    found = clinic.everything("GET", f"/fhir/AuditEvent?{criteria}&_count=1000").json().get("entry", [])
    kept = []
    for each in reversed(found):
        event = each["resource"]
        for entity in reversed(event.get("entity", ())):
            asked = entity.get("what", {}).get("display", "") or base64.b64decode(entity.get("query", "")).decode()
            if asked.startswith("dicom"):
                kept.append(f"{event['subtype'][0]['code']} {asked.rstrip('?')} {event['outcome']}")
                break
    return kept


def test_who_saw_images_is_in_the_patients_list(own: Ask, clinic: Clinic) -> None:
    mine, theirs = (f"patient=Patient/{clinic.ids[name]}" for name in ("own", "other"))
    before, others = told(clinic, mine), told(clinic, theirs)
    study = f"dicom-web/studies/{OWN.StudyInstanceUID}"
    for path in (f"{study}/metadata", "dicom-web/studies?PatientName=Own*", f"{study}/thumbnail"):
        assert own("GET", f"/{path}").status_code == 200
    added = [
        f"read {study}/metadata 0",
        "search-type dicom-web/studies?PatientName=Own* 0",
        f"read {study}/thumbnail 0",
    ]
    assert told(clinic, mine) == [*before, *added]
    assert told(clinic, theirs) == others


def test_who_was_refused_is_in_the_audit_log(own: Ask, clinic: Clinic) -> None:
    before = told(clinic, "outcome=4")
    assert own("GET", paths(OTHER)[0]).status_code == 404
    assert own("DELETE", paths(OTHER)[0]).status_code == 403
    assert httpx.get(f"{clinic.server.origin}/dicom-web/workitems/1.2").status_code == 401
    assert own("GET", "/dicom/api/worklist").status_code == 403
    path = paths(OTHER)[0].removeprefix("/")
    assert told(clinic, "outcome=4")[len(before) :] == [
        f"read {path} 4", f"delete {path} 4", "read dicom-web/workitems/1.2 4", "search-type dicom/api/worklist 4"
    ]  # fmt: skip
    assert clinic.everything("GET", "/dicom/api/worklist").status_code == 200
    assert told(clinic, "outcome=0")[-1] == "search-type dicom/api/worklist 0"


def test_searching_takes_a_scope_that_searches(clinic: Clinic) -> None:
    reading = clinic.caller("system/ImagingStudy.r")
    assert reading("GET", paths(OWN)[0]).status_code == 200
    for level in ("studies", "series", "instances", f"studies/{OWN.StudyInstanceUID}/series"):
        assert reading("GET", f"/dicom-web/{level}").status_code == 403, level


NOT_AUTHORIZED = 0x0124  # PS3.18 table I.2-2


def outcome(answer: httpx.Response) -> tuple[int, int]:
    """The status of a STOW-RS answer, and the reason why its first instance failed, 0 for none."""
    failed = answer.json().get("00081198", {}).get("Value", [])
    return answer.status_code, failed[0]["00081197"]["Value"][0] if failed else 0


def test_an_app_of_a_patient_stores_images_of_that_patient_only(clinic: Clinic) -> None:
    app = clinic.caller("patient/ImagingStudy.cruds", clinic.ids["own"])
    new = {"StudyInstanceUID": "1.2.7.3", "SeriesInstanceUID": "1.2.7.3.1", "PatientName": "Own^Ada"}
    refused = [
        image(16, **new, PatientID="other"),
        image(16, **new, PatientID="nobody"),
        image(16, **new, PatientID=""),
        image(16, StudyInstanceUID=OTHER.StudyInstanceUID, SeriesInstanceUID="1.2.7.2.2", PatientID="own"),
        image(16, **new, PatientID="own", SOPInstanceUID=OTHER.SOPInstanceUID),
    ]
    for made in refused:
        assert outcome(store(app, made)) == (409, NOT_AUTHORIZED), made.PatientID
    for made in (image(16, **new, PatientID="own"), image(16, **new, PatientID="own", InstanceNumber=2)):
        assert outcome(store(app, made)) == (200, 0)
    assert outcome(store(app, image(16, **new, PatientID="other"))) == (409, NOT_AUTHORIZED)
    until(lambda: len(clinic.studies(clinic.everything, "own")) == 2)
    more = {"StudyInstanceUID": OWN.StudyInstanceUID, "SeriesInstanceUID": "1.2.7.1.2", "PatientID": "own"}
    assert outcome(store(app, image(16, **more))) == (200, 0)
    assert len(clinic.studies(clinic.everything, "other")) == 1


def test_what_policies_keep_from_a_caller_is_not_changed_by_the_web(tmp_path: Path) -> None:
    policies = tmp_path / "policies.toml"
    policies.write_text("")
    more = ("--security", "smart", "--policies", policies, "--dicom-web-delete", "true", "--workers", 1)
    with serving(tmp_path / "data", *more, *OPTIONS) as server:
        clinic = Clinic(server, tmp_path / "data")
        ask = clinic.everything
        made = ask("POST", "/dicom-web/workitems", json=[step().to_json_dict()], headers=JSON)
        assert made.status_code == 201, made.text
        workitem = f"/dicom-web/workitems/{made.headers['location'].rsplit('/', 1)[1]}"
        until(lambda: ask("GET", "/fhir/Task").json().get("entry"))

        def writing() -> list[int]:
            label = [{"00741204": {"vr": "LO", "Value": ["Other"]}}]
            asked = (
                ask("POST", workitem, json=label, headers=JSON),
                ask("POST", f"{workitem}/subscribers/X"),
                ask("DELETE", paths(OWN)[0]),
            )
            return [answer.status_code for answer in asked]

        denied = '[[rule]]\neffect = "deny"\ninteractions = "ud"\nresources = ["ImagingStudy", "Task"]\n'
        policies.write_text(denied)
        until(lambda: ask("POST", f"{workitem}/subscribers/X").status_code == 403)
        assert [ask("GET", path).status_code for path in (workitem, paths(OWN)[0])] == [200, 200]
        assert writing() == [403, 403, 403]
        policies.write_text("")
        until(lambda: ask("POST", f"{workitem}/subscribers/X").status_code == 201)
        assert writing() == [200, 201, 204]
