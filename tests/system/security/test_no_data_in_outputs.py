"""A started server that works on marked patients, well and badly, tells nobody of them: not its log, not its metrics,
not the errors that others get. What interfaces commit is in its audit log."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.system.hl7v2.conftest import Hospital, hospital_at, oru

MARK = "Quxenbaumle"
PATIENT = {
    "resourceType": "Patient", "id": "p", "name": [{"family": MARK, "given": [f"{MARK}-given"]}], "gender": "female",
    "identifier": [{"system": "urn:x", "value": f"{MARK}-number"}], "address": [{"city": f"{MARK}ham"}],
    "birthDate": "1961-07-29",
}  # fmt: skip
JSON = {"content-type": "application/fhir+json"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    arguments = ("--audit", "on", "--log-level", "debug", "--access-log", "true")
    with hospital_at(tmp_path_factory.mktemp("marked"), "[listener.lab]\nport = 0\n", *arguments) as house:
        yield house


def traffic(house: Hospital) -> list[httpx.Response]:
    """Requests that are granted and refused; the answers to those whose senders named no patient's data."""
    http = house.http
    assert http.put("/fhir/Patient/p", json=PATIENT).status_code == 201
    for number in (1, 2):
        other = {"resourceType": "Observation", "id": f"o{number}", "status": "final", "code": {"text": MARK},
                 "identifier": [{"value": "same"}], "subject": {"reference": "Patient/p", "display": MARK}}  # fmt: skip
        http.put(f"/fhir/Observation/o{number}", json=other)
    for path in (f"Patient?name={MARK}", f"Patient?birthdate={MARK}", f"Patient?nmae={MARK}", f"Patient/{MARK}",
                 f"Patient/{MARK}!", f"{MARK}/1", f"Patient?_filter=name co {MARK}", f"$nothing?x={MARK}",
                 f"Patient?identifier=urn:x|{MARK}&_sort={MARK}"):  # fmt: skip
        http.get(f"/fhir/{path}")
    http.post("/fhir/Patient/_search", data={"family": MARK, "given": f"{MARK}="})
    bodies = (
        f'{{"resourceType":"Patient","name":"{MARK}"}}',
        f'{{"resourceType":"Patient","{MARK}":1}}',
        f"{{{MARK}",
        f'{{"resourceType":"Patient","birthDate":"{MARK}"}}',
        f"<Patient><name>{MARK}</name></Patient>",
    )
    for body in bodies:
        http.post("/fhir/Patient", content=body.encode(), headers=JSON)
        http.post("/fhir/Patient", content=body.encode(), headers={"content-type": "application/fhir+xml"})
    entry = {"resource": {**PATIENT, "gender": MARK}, "request": {"method": "PUT", "url": "Patient/p"}}
    for kind in ("batch", "transaction"):
        http.post("/fhir", json={"resourceType": "Bundle", "type": kind, "entry": [entry]}, headers=JSON)
    for name, control in ((f"{MARK}^ANN", "M1"), (f"{MARK}^{MARK}^~|", "M2")):
        house.ask(oru(control, f"{MARK}7", 2, name=name))
    house.ask(f"MSH|^~\\&|LIS|HOSP|||2026||ADT^A01|M3|P|2.5\rPID|1||{MARK}\rPV1|{MARK}".encode())
    house.ask(f"MSH|^~\\&|LIS|HOSP|{MARK}|{MARK}".encode())
    patch = [{"op": "test", "path": "/gender", "value": "male"}]
    return [
        http.put("/fhir/Patient/p", json={"resourceType": "Patient", "id": "p"}, headers={"if-match": 'W/"9"'}),
        http.patch(
            "/fhir/Patient/p", content=json.dumps(patch), headers={"content-type": "application/json-patch+json"}
        ),
        http.delete("/fhir/Observation?identifier=same"),
        http.put(
            "/fhir/Observation?identifier=same",
            json={"resourceType": "Observation", "status": "final", "code": {"text": "x"}},
        ),
        http.post("/fhir/Patient", json={"resourceType": "Patient", "id": "p", "gender": "x"}),
        http.get("/fhir/Patient/p/_history/99"),
        http.get("/fhir/Observation/o1/$nothing"),
    ]


def test_nobody_is_told_of_a_patient_who_was_not_asked_for(house: Hospital) -> None:
    errors = traffic(house)
    assert all(answer.status_code >= 400 for answer in errors), [answer.status_code for answer in errors]
    outputs = {
        "log": house.server.said(),
        "metrics": house.http.get("/metrics").text,
        "health": house.http.get("/health/ready").text + house.http.get("/health").text,
        **{f"error {number}": answer.text for number, answer in enumerate(errors)},
    }
    assert "hms_requests" in outputs["metrics"] and "request" in outputs["log"]
    for where, text in outputs.items():
        assert MARK.casefold() not in text.casefold(), (where, text)
        assert "1961-07-29" not in text, where


def test_what_an_interface_commits_is_in_the_audit_log(house: Hospital) -> None:
    assert house.ask(oru("C1", "88", 2, name="ROE^JO")).get("MSA-1") in ("AA", "CA")
    house.until(lambda: house.found("Patient?family=roe"))
    (patient,) = house.found("Patient?family=roe")
    found = house.until(lambda: [
        event for event in house.http.get(f"/fhir/AuditEvent?patient=Patient/{patient['id']}").json().get("entry", ())
        if any(agent["who"].get("identifier", {}).get("value") == "HL7 v2" for agent in event["resource"]["agent"])
    ])  # fmt: skip
    assert found[0]["resource"]["subtype"][0]["code"] == "transaction" and found[0]["resource"]["outcome"] == "0"
