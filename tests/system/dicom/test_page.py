"""The page and what it asks: quarantine settled by a person, peers, jobs; who may."""

from __future__ import annotations

import json
import subprocess

import httpx
import pytest

from fhir_server.core.settings import Settings
from interfaces.dicom.archive.archive import Archive
from interfaces.dicom.archive.placing import enqueue, note
from interfaces.dicom.workitems import steps
from tests.system.chromium import browsing
from tests.system.dicom.conftest import free_port, until
from tests.system.dicom.images import encoded, image, study
from tests.system.dicom.procedure_steps import step
from tests.system.process import hms, serving
from tests.system.test_page import chromium  # noqa: F401  a fixture

OPTIONS = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0, "--dicom-study-pause-seconds", 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("page")
    archive = Archive(Settings(data=data, dicom_fsync=False, dicom_reserve_mb=0, dicom_study_pause_seconds=0))
    unreadable = image(StudyInstanceUID="1.2.7", PixelData=b"\0\0")
    for made in (*study(2, StudyInstanceUID="1.2.5"), image(PatientID="", StudyInstanceUID="1.2.6"), unreadable):
        archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    archive.close()
    peers = f'[[peer]]\nae_title = "AWAY"\nhost = "127.0.0.1"\nport = {free_port()}\n'
    (data / "dicom" / "peers.toml").write_text(peers)
    with serving(data, *OPTIONS) as started:
        yield started


def api(server, path, body=None):
    url = f"{server.origin}/dicom/api/{path}"
    return httpx.get(url, timeout=60) if body is None else httpx.post(url, json=body, timeout=60)


def test_quarantine_is_settled_by_naming_the_patient(server):
    until(lambda: [held["uid"] for held in api(server, "quarantine").json()] == ["1.2.6"])
    httpx.put(f"{server.base}/Patient/p7", json={"resourceType": "Patient", "id": "p7", "identifier": [{"value": "7"}]})
    assert api(server, "quarantine/1.2.6", {"patient": "Patient/none"}).status_code == 404
    assert api(server, "quarantine/1.2.6", {"patient": "p7"}).status_code == 400
    ordered = {"status": "active", "intent": "order", "subject": {"reference": "Patient/p8"}}
    httpx.put(f"{server.base}/Patient/p8", json={"resourceType": "Patient", "id": "p8"})
    httpx.put(f"{server.base}/ServiceRequest/o8", json={"resourceType": "ServiceRequest", "id": "o8", **ordered})
    others = api(server, "quarantine/1.2.6", {"patient": "Patient/p7", "order": "ServiceRequest/o8"})
    assert others.status_code == 422 and "is of Patient/p8, not of Patient/p7" in others.text
    assert api(server, "quarantine/1.2.6", {"patient": "Patient/p7"}).status_code == 200
    assert api(server, "quarantine/1.2.6", {"patient": "Patient/p7"}).status_code == 404
    found = f"{server.base}/ImagingStudy?identifier=urn:oid:1.2.6&subject=Patient/p7"
    until(lambda: httpx.get(found).json()["total"] == 1)
    assert any(event["kind"] == "reconciled" for event in api(server, "events").json())


def test_peers_are_listed_and_an_absent_one_is_told(server):
    assert [peer["ae_title"] for peer in api(server, "peers").json()["peers"]] == ["AWAY"]
    answer = api(server, "peers/AWAY/echo", {})
    assert answer.status_code == 503 and "AWAY does not answer" in answer.json()["issue"][0]["diagnostics"]
    assert api(server, "peers/NOBODY/echo", {}).status_code == 404


def test_what_was_sent_for_later_is_a_job_that_says_why_it_waits(server):
    assert api(server, "peers/AWAY/send", {"study": "1.2.404"}).status_code == 404
    assert api(server, "peers/AWAY/send", {"study": "1.2.5"}).status_code == 200
    [job] = until(lambda: [job for job in api(server, "jobs").json() if job["problem"]])
    assert job["kind"] == "forward" and "does not answer" in job["problem"]
    assert api(server, f"jobs/{job['pk']}/again", {}).status_code == 200


def test_procedure_steps_are_listed_and_cancelled(server):
    made = [step(ProcedureStepLabel="Fuse", PatientName="Doe^Jane").to_json_dict()]
    answer = httpx.post(f"{server.origin}/dicom-web/workitems", json=made, timeout=60)
    uid = answer.headers["location"].rsplit("/", 1)[1]
    [shown] = [each for each in api(server, "workitems").json() if each["uid"] == uid]
    assert (shown["label"], shown["patient_name"], shown["open"]) == ("Fuse", "Doe^Jane", True)
    assert api(server, f"workitems/{uid}/cancel", {}).status_code == 200
    assert api(server, "workitems/1.2.3/cancel", {}).status_code == 404
    [shown] = [each for each in api(server, "workitems").json() if each["uid"] == uid]
    assert (shown["state"], shown["open"]) == ("CANCELED", False)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A server with 1,203 jobs that wait, events and open steps, and with 60 steps that have ended."""
    data = tmp_path_factory.mktemp("full")
    archive = Archive(Settings(data=data, dicom_fsync=False, dicom_reserve_mb=0))
    later = archive.clock() + 10**12
    steps.create(archive, "1.3", json.loads(step().to_json()), steps.Who("", "test"))

    def work(index):
        index.remove("job", {})
        for number in range(MANY):
            enqueue(index, "forward", f"AWAY 1.2.{number}", later)
            note(index, number, "deleted", f"1.2.{number}", {})
        made = dict(index.one("workitem", {"uid": "1.3"}))
        index.remove("workitem", {"pk": made.pop("pk")})
        for number in range(MANY + 60):
            state = "SCHEDULED" if number < MANY else "COMPLETED"
            index.insert("workitem", {**made, "uid": f"1.3.{number}", "state": state})

    archive.write(work)
    archive.close()
    with serving(data, *OPTIONS, "--dicom-step-days", 0) as started:
        yield started


MANY = 1203


@pytest.mark.parametrize("name", ["jobs", "workitems", "events"])
def test_long_lists_come_in_parts_that_name_the_next(full, name):
    seen, path, parts = [], name, 0
    while path:
        answer = api(full, path)
        seen += [each["pk"] for each in answer.json()]
        path, parts = answer.links.get("next", {}).get("url"), parts + 1
    assert parts == 3 and len(seen) == len(set(seen)) == MANY + (50 if name == "workitems" else 0)
    assert seen[:MANY] == sorted(seen[:MANY], reverse=name == "events")
    assert api(full, f"{name}?after=many").status_code == 400


def test_the_page_says_that_there_are_more_jobs_and_shows_them(full, browser):
    browser.go(f"{full.origin}/dicom/#/jobs")
    browser.sees("There are more: these are 500.")
    for count in (1000, MANY):
        browser.run("document.querySelector('[role=status] button').click()")
        browser.until(f"document.querySelectorAll('tbody tr').length === {count}")
    assert "There are more" not in browser.text()


def test_other_sites_can_not_post(server):
    answer = httpx.post(f"{server.origin}/dicom/api/peers/AWAY/echo", data={"x": "y"})
    assert answer.status_code == 415


def seen(chromium, tmp_path, url):  # noqa: F811
    """What a browser makes of a page."""
    run = [chromium, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    run += ["--virtual-time-budget=8000", "--dump-dom", url]
    return subprocess.run(run, capture_output=True, text=True, timeout=120).stdout


def test_the_page_shows_studies(server, chromium, tmp_path):  # noqa: F811
    shown = seen(chromium, tmp_path, f"{server.origin}/dicom/")
    assert "Doe, Jane" in shown and "#/study/1.2.5" in shown
    assert "1 series, 2 images<" in shown and "1 series, 1 image<" in shown


def test_the_page_shows_procedure_steps(server, chromium, tmp_path):  # noqa: F811
    made = [step(ProcedureStepLabel="Contour", PatientName="Roe^Max").to_json_dict()]
    assert httpx.post(f"{server.origin}/dicom-web/workitems", json=made, timeout=60).status_code == 201
    shown = seen(chromium, tmp_path, f"{server.origin}/dicom/#/steps")
    assert "Contour" in shown and "Roe, Max" in shown and "2026-01-01 10:00" in shown and "Cancel" in shown


@pytest.fixture
def browser(tmp_path):
    with browsing(tmp_path) as started:
        yield started


def test_an_answer_that_comes_late_does_not_replace_what_was_chosen_since(server, browser):
    browser.go(f"{server.origin}/dicom/")
    browser.sees("Doe, Jane")
    browser.run(
        "void (window.fetch = (real => (path, ...others) => path.includes('1.2.5')"
        " ? (window.held = new Promise(go => window.release = go).then(() => real(path, ...others)))"
        " : real(path, ...others))(fetch))"
    )
    browser.run("location.hash = '#/study/1.2.5'")
    browser.until("window.held !== undefined")
    browser.run("location.hash = '#/worklist'")
    browser.sees("Nothing is scheduled")
    browser.run("window.release(), window.held.then(() => new Promise(go => setTimeout(go, 300)))")
    assert "Nothing is scheduled" in browser.text() and browser.run("document.title") == "Worklist · DICOM"


def test_a_search_that_is_refused_keeps_its_form(server, browser):
    browser.go(f"{server.origin}/dicom/#/?StudyDate=2026-01-01")
    browser.sees("no date as 20260131")
    assert browser.run("document.querySelector('[name=StudyDate]').value") == "2026-01-01"


def test_an_image_that_can_not_be_shown_is_told(server, browser):
    browser.go(f"{server.origin}/dicom/#/study/1.2.7")
    browser.sees("This image can't be shown")
    assert not browser.run("document.querySelector('.stage img').hasAttribute('src')")


def test_a_drag_changes_the_window_that_the_image_is_shown_by(server, browser):
    browser.go(f"{server.origin}/dicom/#/study/1.2.5")
    browser.until("document.querySelector('.stage img')?.naturalWidth > 0")
    corner = "document.querySelector('.stage').getBoundingClientRect()"
    x, y = browser.run(f"{corner}.x") + 50, browser.run(f"{corner}.y") + 50
    for kind, to in (("mousePressed", x), ("mouseMoved", x + 4), ("mouseReleased", x + 4)):
        browser.call("Input.dispatchMouseEvent", type=kind, x=to, y=y, button="left", buttons=1, clickCount=1)
    source = browser.until("/window=(.*)/.exec(document.querySelector('.stage img').src)?.[1]")
    middle = study(2)[1].pixel_array
    low, high = int(middle.min()), int(middle.max())
    centre, width, function = source.split(",")
    assert function == "linear-exact" and abs(float(centre) - (low + high) / 2) <= 1
    assert abs(float(width) - (high - low) * 1.01) <= 1


def test_a_series_of_more_than_one_answer_of_dicomweb_is_shown_whole(tmp_path, browser):
    data, archived = tmp_path / "data", image(4, SOPInstanceUID="1.2.3.10000", StudyInstanceUID="1.2.8")
    archive = Archive(Settings(data=data, dicom_fsync=False, dicom_reserve_mb=0))
    content, syntax = encoded(archived), str(archived.file_meta.TransferSyntaxUID)
    for number in range(5001):
        archive.receive(content.replace(b"1.2.3.10000", b"1.2.3.1%04d" % number), transfer_syntax=syntax)
    archive.close()
    with serving(data, *OPTIONS[:-1], 3600) as server:
        browser.go(f"{server.origin}/dicom/#/study/1.2.8")
        browser.sees("of 5001")


def test_a_server_that_is_away_is_told(server, browser):
    browser.go(f"{server.origin}/dicom/")
    browser.sees("Doe, Jane")
    conditions = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    browser.call("Network.emulateNetworkConditions", **conditions)
    browser.press("Quarantine")
    browser.sees("Is the server running?")


def test_with_security_tokens_are_asked_for(tmp_path):
    with serving(tmp_path / "data", *OPTIONS, "--security", "smart") as server:
        for path in ("/dicom-web/studies", "/dicom-web/workitems", "/dicom/api/quarantine", "/dicom-web/wado"):
            answer = httpx.get(server.origin + path)
            assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer")
            wrong = httpx.get(server.origin + path, headers={"authorization": "Bearer wrong"})
            assert wrong.status_code == 401


def test_a_token_of_one_patient_shows_that_patients_studies_only(tmp_path):
    data = tmp_path / "data"
    archive = Archive(Settings(data=data, dicom_fsync=False, dicom_reserve_mb=0, dicom_study_pause_seconds=0))
    for number in "12":
        made = image(PatientID=number, StudyInstanceUID=f"1.2.{number}", AccessionNumber="")
        archive.receive(encoded(made), transfer_syntax=str(made.file_meta.TransferSyntaxUID))
    archive.close()
    with serving(data, *OPTIONS, "--security", "smart") as server:

        def shown(*options):
            token = hms("token", "--data", data, "--base-url", server.base, *options).strip()
            return httpx.Client(headers={"authorization": f"Bearer {token}"}, timeout=60)

        everything = shown()
        studies = until(lambda: _both(everything.get(f"{server.base}/ImagingStudy").json()))
        mine = next(each["subject"]["reference"] for each in studies if each["identifier"][0]["value"].endswith(".1"))
        patient = shown("--scope", "patient/*.rs", "--patient", mine.removeprefix("Patient/"))
        web = f"{server.origin}/dicom-web/studies"
        assert [each["0020000D"]["Value"] for each in patient.get(web).json()] == [["1.2.1"]]
        assert len(everything.get(web).json()) == 2
        assert patient.get(f"{web}/1.2.1/metadata").status_code == 200
        assert patient.get(f"{web}/1.2.2/metadata").status_code == 404
        assert patient.delete(f"{web}/1.2.1").status_code in (403, 404, 405)
        assert shown("--scope", "patient/Observation.rs", "--patient", "x").get(web).status_code == 403
        assert patient.get(f"{server.origin}/dicom/api/quarantine").status_code == 403

        web = f"{server.origin}/dicom-web/workitems"
        steps = [everything.post(web, json=[step(PatientID=id).to_json_dict()]).headers["location"] for id in "12"]
        until(lambda: _both(everything.get(f"{server.base}/Task").json()))
        until(lambda: patient.get(web).status_code == 200)
        assert [each["00100020"]["Value"] for each in patient.get(web).json()] == [["1"]]
        assert [patient.get(each).status_code for each in steps] == [200, 404]
        assert patient.post(web, json=[step().to_json_dict()]).status_code == 403
        assert patient.post(f"{steps[0]}/cancelrequest").status_code == 403
        assert shown("--scope", "patient/ImagingStudy.rs", "--patient", "x").get(web).status_code == 403


def _both(bundle):
    found = [entry["resource"] for entry in bundle.get("entry", [])]
    return found if len(found) == 2 else None
