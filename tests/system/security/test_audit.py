"""Every access and refusal is in the audit log before it is answered; the log can't be changed unnoticed."""

import asyncio
import base64
import errno
import os
import sqlite3
from typing import Any

import pytest

from fhir_server.core.errors import FhirError, error
from fhir_server.core.ports import Finding
from fhir_server.core.settings import Settings
from fhir_server.security.audit import FILE_NAME, AuditLog, Event
from fhir_server.security.client_authentication import ASSERTION
from fhir_server.security.model import Client
from tests.conftest import Fhir
from tests.system.security.conftest import BASE, ORIGIN, Browser, observation
from tests.system.security.test_attacks import Service
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio


async def events(fhir: Fhir, query: str = "") -> list[dict]:
    """AuditEvents as the security officer finds them, newest first."""
    officer = Asking(fhir, "user/AuditEvent.rs")
    answer = await officer(f"AuditEvent{query}")
    assert answer.status_code == 200, answer.text
    return [entry["resource"] for entry in answer.json().get("entry", ())]


def said(event: dict) -> tuple[str, str, str]:
    return event["subtype"][0]["code"], event["action"], event["outcome"]


async def test_reads_searches_writes_and_refusals_are_kept(hospital: Fhir) -> None:
    ask = Asking(hospital, "patient/*.cruds", patient="me")
    await ask("Observation/mine")
    await ask("Observation?code=8867-4")
    await ask("Observation/new", "PUT", observation("new", "me"))
    await ask("Observation/theirs")
    await ask("Observation/mine", "DELETE")
    await hospital.get("Patient/me")
    kept = [said(event) for event in await events(hospital)]
    assert kept == [
        ("read", "R", "4"), ("delete", "D", "0"), ("read", "R", "4"), ("update", "U", "0"), ("search-type", "E", "0"),
        ("read", "R", "0"),
    ]  # fmt: skip


async def test_nobody_else_on_the_machine_reads_the_data_folder_or_the_log(hospital: Fhir, settings: Settings) -> None:
    await hospital.get("Patient/me")
    files = [settings.data, *settings.data.glob("audit.*"), *settings.data.glob("security.*")]
    assert settings.data / f"{FILE_NAME}-wal" in files
    assert [file.name for file in files if file.stat().st_mode & 0o077] == []


async def test_the_disclosure_list_of_a_patient(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.rs")
    for path in ("Patient/other", "Observation/theirs", "Observation/mine", "Observation", "Patient/me/$everything"):
        await ask(path)
    found = await events(hospital, "?patient=Patient/other")
    assert [said(each)[0] for each in found] == ["operation", "search-type", "read", "read"]
    assert all(any(e.get("what", {}).get("reference") == "Patient/other" for e in each["entity"]) for each in found)
    query = next(e["query"] for e in found[1]["entity"] if "query" in e)
    assert base64.b64decode(query) == b"Observation?"
    assert [said(each)[0] for each in await events(hospital, "?patient=Patient/me&action=R")] == ["read"]
    assert await events(hospital, "?patient=Patient/nobody") == []


@pytest.mark.parametrize(
    "asked",
    [
        "Observation?patient=other&_summary=count", "Observation?subject=other&code=none",
        "Observation?performer=Patient/other", "Observation?subject=Patient/me,Patient/other&_summary=count",
        "Observation?subject:Patient=other&_count=0", "Observation?encounter.subject=Patient/other",
        "Patient?_id=other&_summary=count", "Patient?_has:Observation:patient:subject=Patient/other&_summary=count",
        "?_type=Observation,Condition&patient=other&_total=accurate&code=none",
    ],
)  # fmt: skip
async def test_who_asks_what_there_is_of_a_patient_is_in_the_list_whatever_there_is(hospital: Fhir, asked: str) -> None:
    ask = Asking(hospital, "user/*.rs")
    assert (await ask(asked)).status_code == 200
    inside = {"resourceType": "Bundle", "type": "batch", "entry": [{"request": {"method": "GET", "url": asked}}]}
    assert (await ask("", "POST", inside)).status_code == 200
    found = [said(each)[0] for each in await events(hospital, "?patient=Patient/other")]
    assert found.count("search-type" if asked[0] != "?" else "search-system") == 2
    assert (await ask("Observation?performer=doc")).status_code == 200
    assert await events(hospital, "?patient=Patient/doc") == []


async def test_whose_names_the_pages_of_a_launch_show_is_kept(browser: Browser) -> None:
    page = await browser.sign_in(await browser.authorize("launch/patient patient/*.rs"))
    assert "Theirs" in page.text and "Mine" in page.text
    await browser.submit_choice(page, "other")
    kept = await events(browser.fhir, "?patient=Patient/other")
    assert [said(each)[0] for each in kept] == ["read", "search-type"]
    agents = [(each["agent"][0]["who"]["identifier"]["value"], each["agent"][2]["altId"]) for each in kept]
    assert agents == [("hms-page", "u-doc")] * 2
    asked = [base64.b64decode(e["query"]).decode() for each in kept for e in each["entity"] if "query" in e]
    assert asked == ["Patient?_count=20&_elements=name%2CbirthDate"]


async def test_searched_by_agent_date_and_outcome_and_paged(hospital: Fhir) -> None:
    await Asking(hospital, "user/*.rs")("Patient/me")
    await Asking(hospital, "user/Patient.s")("Patient/me")
    assert len(await events(hospital, "?agent=Practitioner/doc&outcome=4")) == 1
    assert len(await events(hospital, "?date=ge2020-01-01&outcome=0&subtype=read")) == 1
    assert await events(hospital, "?date=lt2020-01-01") == []
    officer = Asking(hospital, "user/AuditEvent.rs")
    page = (await officer("AuditEvent?_count=2")).json()
    following = next(link["url"] for link in page["link"] if link["relation"] == "next")
    rest = (await hospital.http.get(following, headers=officer.headers)).json()
    ids = [entry["resource"]["id"] for entry in page["entry"] + rest["entry"]]
    assert len(set(ids)) == len(ids)
    assert (await officer(f"AuditEvent/{ids[0]}")).json()["id"] == ids[0]
    assert (await officer("AuditEvent?_content=x")).status_code == 400
    for cursor in ("x", "-1", "1" * 16, "1.5", "ffffffffffff-1"):
        answer = await officer(f"AuditEvent?_cursor={cursor}")
        assert answer.status_code == 400 and "_cursor" in answer.text, cursor


async def test_a_patient_sees_who_saw_the_own_record_only(hospital: Fhir) -> None:
    doctor = Asking(hospital, "user/*.rs")
    await doctor("Patient/me")
    await doctor("Patient/other")
    mine = await Asking(hospital, "patient/AuditEvent.rs", patient="me")("AuditEvent")
    entries = mine.json()["entry"]
    assert len(entries) == 1 and "Patient/other" not in mine.text
    other = (await events(hospital, "?patient=Patient/other"))[0]["id"]
    assert (await Asking(hospital, "patient/AuditEvent.rs", patient="me")(f"AuditEvent/{other}")).status_code == 404
    assert (await doctor("AuditEvent/audit-999")).status_code == 404


async def test_an_event_about_several_patients_tells_each_of_none_of_the_others(hospital: Fhir) -> None:
    doctor = Asking(hospital, "user/*.rs")
    await doctor("Observation?subject=Patient/me,Patient/other&_count=7")
    whole = (await doctor("AuditEvent?patient=Patient/me&subtype=search-type")).json()["entry"][0]["resource"]
    assert {"Patient/me", "Patient/other"} <= set(named(whole))
    ask = Asking(hospital, "patient/AuditEvent.rs", patient="me")
    for path in ("AuditEvent?subtype=search-type", f"AuditEvent?_id={whole['id']}"):
        listed = [entry["resource"] for entry in (await ask(path)).json()["entry"]]
        assert all(set(named(each)) <= {"Patient/me"} for each in listed)
        found = next(each for each in listed if each["id"] == whole["id"])
        assert named(found) == ["Patient/me"]
        told = [base64.b64decode(each["query"]).decode() for each in found["entity"] if "query" in each]
        assert told == ["Observation?"]
    assert named((await ask(f"AuditEvent/{whole['id']}")).json()) == ["Patient/me"]
    for criteria in ("patient=Patient/other", "entity=Patient/other"):
        found = (await ask(f"AuditEvent?{criteria}")).json()
        assert "entry" not in found, criteria


def named(event: dict[str, Any]) -> list[str]:
    return [each["what"]["reference"] for each in event["entity"] if "what" in each]


async def test_audit_events_are_valid(hospital: Fhir, browser: Browser) -> None:
    await Asking(hospital, "user/*.rs")("Patient?name=mine")
    await browser.granted("patient/*.rs launch/patient", patient="me")
    for event in await events(hospital):
        answer = await Asking(hospital, "user/*.cruds")("AuditEvent/$validate", "POST", event)
        assert all(issue["severity"] not in ("error", "fatal") for issue in answer.json()["issue"]), answer.text


async def test_sign_ins_are_kept_whether_they_succeed_or_not(hospital: Fhir, browser: Browser) -> None:
    await browser.sign_in(await browser.authorize("patient/*.rs"), password="wrong")
    await browser.sign_in(await browser.authorize("patient/*.rs"))
    logins = await events(hospital, "?type=110114")
    assert [each["outcome"] for each in logins] == ["0", "4"]


async def test_verify_finds_what_was_changed(hospital: Fhir) -> None:
    for _ in range(3):
        await Asking(hospital, "user/*.rs")("Patient/me")
    officer = Asking(hospital, "system/*.rs")

    async def verdict(head: str = "") -> dict:
        answer = await officer(f"$verify-audit?head={head}" if head else "$verify-audit")
        assert answer.status_code == 200, answer.text
        found = answer.json()["parameter"]
        return {each["name"]: next(value for name, value in each.items() if name != "name") for each in found}

    head = (first := await verdict())["head"]
    assert first["result"] is True and (await verdict(head))["result"] is True
    assert head[:63] + "x" not in (refused := await officer(f"$verify-audit?head={head[:63]}x")).text
    assert refused.status_code == 400
    with sqlite3.connect(hospital.server.settings.data / FILE_NAME) as file:
        file.execute("UPDATE batch SET events = replace(events, 'Patient/me', 'Patient/xy')")
    problem = (await verdict())["problem"]
    assert "not as they were written" in problem
    assert await hospital.server.check() == [Finding("audit log", problem, False)]
    assert (await Asking(hospital, "patient/*.rs", patient="me")("$verify-audit")).status_code == 403


def full(*_: Any) -> int:
    raise OSError(errno.ENOSPC, "No space left on device")


async def test_nothing_is_given_out_that_can_not_be_noted(hospital: Fhir, monkeypatch) -> None:
    monkeypatch.setattr(os, "pwrite", full)
    answer = await Asking(hospital, "user/*.rs")("Patient/me")
    assert answer.status_code == 503 and "Ada" not in answer.text


def event(number: int) -> Event:
    return Event(recorded=number, kind="rest", interaction="read", action="R", outcome="0", status=200,
                 user=f"u{number}", patients=(f"p{number % 3}",))  # fmt: skip


async def test_several_workers_make_one_chain_and_old_events_go_from_its_end(tmp_path) -> None:
    logs = [AuditLog(tmp_path / FILE_NAME) for _ in range(3)]
    for start in range(0, 60, 6):
        await asyncio.gather(*(logs[number % 3].record(event(number)) for number in range(start, start + 6)))
        assert logs[start % 3].verify()[:2] == (start + 6, "")
    assert logs[0].verify()[:2] == (60, "")
    assert [e.user for _, e in logs[1].newest_first(subject="agent:u7")] == ["u7"]
    assert len(list(logs[1].oldest_first(after=50))) == 10
    gone = logs[0].prune(before=30)
    assert 0 < gone <= 30
    assert logs[0].verify()[:2] == (60 - gone, "")
    with sqlite3.connect(tmp_path / FILE_NAME) as file:
        file.execute("DELETE FROM batch WHERE first = (SELECT min(first) FROM batch)")
    assert "missing" in logs[0].verify().problem
    for log in logs:
        log.close()


async def test_alerts_are_told_in_metrics_and_as_a_communication_once(hospital: Fhir) -> None:
    refused = Asking(hospital, "user/Patient.r")
    for _ in range(25):
        assert (await refused("Observation/mine")).status_code == 403
    alerts = hospital.server.environment.alerts
    found = await alerts.look()
    found += await alerts.look()
    assert len([alert for alert in found if alert.rule == "many-refusals"]) <= 1
    ask = Asking(hospital, "user/*.rs")
    (told,) = (await ask("Communication?category=alert")).json()["entry"]
    assert (
        told["resource"]["topic"]["text"] == "many-refusals" and "u@" in told["resource"]["payload"][0]["contentString"]
    )
    scraped = (await hospital.http.get(f"{ORIGIN}/metrics")).text
    assert 'hms_alerts_total{rule="many-refusals"} 1.0' in scraped


async def test_an_alert_that_could_not_be_stored_yet_is_told_by_the_next_look(hospital: Fhir, monkeypatch) -> None:
    refused = Asking(hospital, "user/Patient.r")
    alerts, store = hospital.server.environment.alerts, hospital.server.environment.store

    async def away(work: Any) -> None:
        raise error("unavailable", "not now")

    with monkeypatch.context() as broken:
        broken.setattr(store, "commit", away)
        for _ in range(25):
            await refused("Observation/mine")
        with pytest.raises(FhirError):
            await alerts.look()
    await alerts.look()
    await alerts.look()
    ask = Asking(hospital, "user/*.rs")
    assert len((await ask("Communication?category=alert")).json()["entry"]) == 1


async def test_what_is_told_of_tokens_and_of_their_users_is_kept(hospital: Fhir, browser: Browser) -> None:
    token = (await browser.granted("openid patient/*.rs", patient="me"))["access_token"]
    told = Client(id="lab", name="Lab", resource_server=True)
    _, secret = await hospital.server.security.add_client(told, confidential=True)
    for shown in (token, "x"):
        await hospital.http.post(f"{ORIGIN}/auth/introspect", data={"token": shown}, auth=("lab", secret))
        await hospital.http.get(f"{ORIGIN}/auth/userinfo", headers={"authorization": f"Bearer {shown}"})
    log: Any = hospital.server.audit
    found = [(e.path, e.client, e.user, e.status) for _, e in log.oldest_first() if e.path.startswith("auth/")]
    assert found == [
        ("auth/introspect", "lab", "u-doc", 200), ("auth/userinfo", "app", "u-doc", 200),
        ("auth/introspect", "lab", "", 200), ("auth/userinfo", "", "", 401),
    ]  # fmt: skip


async def test_the_list_of_disclosures_is_in_a_patients_compartment_too(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.rs")
    for path in ("Observation/mine", "Observation/theirs", "Patient/me"):
        assert (await ask(path)).status_code == 200
    officer = Asking(hospital, "user/AuditEvent.rs")
    listed = (await officer("AuditEvent?patient=Patient/me&_sort=-date")).json()["entry"]
    first = (await officer("Patient/me/AuditEvent?_count=1&action=R&_sort=-_lastUpdated")).json()
    links = {link["relation"]: link["url"] for link in first["link"]}
    assert links["next"].startswith(f"{BASE}/Patient/me/AuditEvent?")
    second = (await officer(links["next"].removeprefix(f"{BASE}/"))).json()
    found = [entry["resource"]["id"] for page in (first, second) for entry in page["entry"]]
    assert found == [each["resource"]["id"] for each in listed] and len(found) == 2
    mine = Asking(hospital, "patient/AuditEvent.rs", patient="me")
    assert await mine.ids("Patient/other/AuditEvent") == []


@pytest.mark.parametrize("asked", ["_summary=count", "_count=0", "_total=accurate", "_sort=date", "_sort=-date,agent"])
async def test_what_the_log_can_not_answer_is_told(hospital: Fhir, asked: str) -> None:
    answer = await Asking(hospital, "user/AuditEvent.rs")(f"AuditEvent?patient=Patient/me&{asked}")
    assert answer.status_code == 400 and "leave out" in answer.text


async def test_tokens_are_kept_whether_they_are_given_or_refused(hospital: Fhir, browser: Browser) -> None:
    await browser.granted("user/Patient.rs")
    await browser.token("guessed")
    log: Any = hospital.server.audit
    found = [event for _, event in log.newest_first() if event.kind == "token"]
    assert [(event.outcome, event.client, event.user) for event in found] == [("4", "app", ""), ("0", "app", "u-doc")]


async def test_a_client_that_can_not_prove_who_it_is_is_kept_by_the_id_that_it_says(hospital: Fhir) -> None:
    wrong = Client(id="lab", name="L", grants=("client_credentials",), resource_server=True)
    await hospital.server.security.add_client(wrong, confidential=True)
    by_assertion = {"client_assertion_type": ASSERTION, "client_assertion": Service(hospital).assertion(iss="robot")}
    bearer = {"authorization": "Bearer guessed"}
    for path in ("token", "introspect", "revoke"):
        answers = [
            await hospital.http.post(f"{ORIGIN}/auth/{path}", data={"token": "x"}, auth=("lab", "guessed")),
            await hospital.http.post(f"{ORIGIN}/auth/{path}", data={"token": "x", **by_assertion}),
        ]
        assert {answer.status_code for answer in answers} == {401}
    await hospital.http.post(f"{ORIGIN}/auth/introspect", data={"token": "x", "client_id": "app"})
    await hospital.http.post(f"{ORIGIN}/auth/introspect", data={"token": "x"}, headers=bearer)
    log: Any = hospital.server.audit
    found = [(event.kind, event.client, event.status) for _, event in log.oldest_first()]
    assert found == [*[("token", "lab", 401), ("token", "robot", 401)] * 3, ("token", "app", 401), ("token", "", 401)]


async def test_tokens_that_a_client_ends_are_kept(hospital: Fhir, browser: Browser) -> None:
    given = await browser.granted("offline_access user/Patient.rs")
    for token in (given["access_token"], given["refresh_token"], "unknown"):
        form = {"token": token, "client_id": "app"}
        assert (await hospital.http.post(f"{ORIGIN}/auth/revoke", data=form)).status_code == 200
    log: Any = hospital.server.audit
    found = [(event.client, event.user, event.path) for _, event in log.oldest_first() if event.kind == "account"]
    assert found == [("app", "u-doc", "auth/revoke")] * 2


async def test_a_deletion_names_the_patient_whose_data_went(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds")
    await ask("Observation/mine", "DELETE")
    bundle = {"resourceType": "Bundle", "type": "transaction",
              "entry": [{"request": {"method": "DELETE", "url": "Observation/theirs"}}]}  # fmt: skip
    assert (await ask("", "POST", bundle)).status_code == 200
    assert [said(each)[0] for each in await events(hospital, "?patient=Patient/me")] == ["delete"]
    assert [said(each)[0] for each in await events(hospital, "?patient=Patient/other")] == ["transaction"]


async def test_an_audit_event_that_was_stored_stays_as_it_is(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.cruds")
    event = {
        "resourceType": "AuditEvent", "type": {"code": "rest"}, "recorded": "2026-01-01T00:00:00Z",
        "agent": [{"requestor": True}], "source": {"observer": {"display": "app"}},
    }  # fmt: skip
    id = (await ask("AuditEvent", "POST", event)).json()["id"]
    changed = {**event, "id": id, "recorded": "2027-01-01T00:00:00Z"}
    assert (await ask(f"AuditEvent/{id}", "PUT", changed)).status_code == 403
    assert (await ask(f"AuditEvent/{id}", "DELETE")).status_code == 403
    for request in ({"method": "DELETE", "url": f"AuditEvent/{id}"}, {"method": "PUT", "url": f"AuditEvent/{id}"}):
        entry = {"request": request, **({"resource": changed} if request["method"] == "PUT" else {})}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
        assert (await ask("", "POST", bundle)).status_code == 403, request
    tag = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": {"tag": [{"code": "x"}]}}]}
    assert (await ask(f"AuditEvent/{id}/$meta-add", "POST", tag)).status_code == 403
    assert (await ask(f"AuditEvent/{id}/_history")).json()["total"] == 1
    claimed = (await hospital.get("metadata")).json()["rest"][0]["resource"]
    codes = next([each["code"] for each in one["interaction"]] for one in claimed if one["type"] == "AuditEvent")
    assert "create" in codes and "update" not in codes


async def test_no_pseudonym_is_kept_beside_the_patient_whose_it_is(hospital: Fhir) -> None:
    ask = Asking(hospital, "system/*.rs")
    theirs = (await ask("Observation/theirs")).json()
    for body in ((await ask("Observation/theirs/$de-identify")).json(),
                 (await ask("$de-identify", "POST", theirs)).json()):  # fmt: skip
        assert body["subject"]["reference"] != "Patient/other"
    begun = await hospital.get("Patient/$export?_type=Patient&_deidentify=year", prefer="respond-async", **ask.headers)
    while (
        answer := await hospital.http.get(begun.headers["content-location"], headers=ask.headers)
    ).status_code == 202:
        await asyncio.sleep(0.01)
    file = await hospital.http.get(answer.json()["output"][0]["url"], headers=ask.headers)
    assert file.text.count("\n") == 2
    log: Any = hospital.server.audit
    named = [event.patients for _, event in log.oldest_first() if event.path.endswith(("$de-identify", "$export-file"))]
    assert named == [("other",), (), ()]


async def test_a_posted_search_tells_its_criteria(hospital: Fhir) -> None:
    ask = Asking(hospital, "user/*.rs")
    await ask("Patient/me")
    await hospital.http.post(f"{ORIGIN}/fhir/Patient/_search?_count=5", data={"name": "Mine"}, headers=ask.headers)
    [found, *_] = await events(hospital)
    assert said(found)[0] == "search-type"
    query = next(e["query"] for e in found["entity"] if "query" in e)
    assert base64.b64decode(query).endswith(b"?_count=5&name=Mine")
