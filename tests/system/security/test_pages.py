"""The server's own pages with security on: a person signs in, works, and signs out, in a headless Chromium."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.system.chromium import Chromium, browsing
from tests.system.process import Server, hms, serving

PASSWORD = "correct horse battery"
DICOM = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("pages") / "data"
    for name, record in (("doc", "Practitioner/doc"), ("ada", "Patient/me")):
        hms("user", "add", name, "--fhir-user", record, "--password", PASSWORD, "--data", data)
    hl7 = tmp_path_factory.mktemp("hl7") / "hl7.toml"
    hl7.write_text("[listener.ward]\nport = 0\n")
    with serving(data, "--security", "smart", "--hl7", hl7, *DICOM) as started:
        token = hms("token", "--data", data, "--base-url", started.base).strip()
        headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
        for id, family in (("me", "Mine"), ("other", "Theirs")):
            patient = {"resourceType": "Patient", "id": id, "name": [{"family": family}]}
            answer = httpx.put(f"{started.base}/Patient/{id}", content=json.dumps(patient), headers=headers)
            assert answer.status_code == 201, answer.text
        yield started


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with browsing(tmp_path / "profile") as browser:
        yield browser


def sign_in(browser: Chromium, name: str) -> None:
    browser.fill(name=name, password=PASSWORD)
    browser.press("Sign in")


def test_a_person_signs_in_where_they_wanted_to_go_works_and_signs_out(server: Server, browser: Chromium) -> None:
    browser.go(f"{server.origin}/#/Patient/me")
    sign_in(browser, "doc")
    browser.sees("Mine")
    assert browser.run("location.hash") == "#/Patient/me" and browser.run("document.cookie") == ""
    browser.go(f"{server.origin}/#/Patient/me~fhirpath")  # asks by POST
    browser.press("Evaluate")
    browser.sees("1 result")
    browser.go(f"{server.origin}/hl7/")
    browser.sees("Messages")
    assert "Sign in" not in browser.text() and "doc" in browser.text()
    browser.go(f"{server.origin}/dicom/#/quarantine")
    browser.sees("Quarantine")
    browser.press("Sign out")
    browser.sees("Password")
    browser.go(f"{server.origin}/dicom/")
    browser.sees("Password")


def test_a_patient_sees_their_own_record_at_the_page(server: Server, browser: Chromium) -> None:
    browser.go(f"{server.origin}/#/Patient")
    sign_in(browser, "ada")
    browser.sees("1 found")
    assert "Mine" in browser.text() and "Theirs" not in browser.text()
    browser.go(f"{server.origin}/#/Patient/other")
    browser.sees("Not found (404)")
    browser.go(f"{server.origin}/hl7/")
    browser.sees("This needs a scope for everything")


def test_a_passkey_is_added_and_signs_in(server: Server, browser: Chromium) -> None:
    browser.call("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    browser.call("WebAuthn.addVirtualAuthenticator", options=options)
    origin = server.origin.replace("127.0.0.1", "localhost")  # a passkey is of a name, never of an address
    browser.go(f"{origin}/auth/sign-in")
    sign_in(browser, "doc")
    browser.press("Add a passkey")
    browser.sees(", since ")
    browser.press("Sign out")
    browser.press("Sign in with a passkey")
    browser.sees("Signed in at")
