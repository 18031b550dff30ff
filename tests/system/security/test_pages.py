"""The server's own pages with security on: a person signs in, works, and signs out, in a headless Chromium."""

from __future__ import annotations

from pathlib import Path

from tests.system.chromium import Chromium
from tests.system.process import Server
from tests.system.security.started import sign_in

Secured = tuple[Server, Path]


def test_a_person_signs_in_where_they_wanted_to_go_works_and_signs_out(secured: Secured, chromium: Chromium) -> None:
    chromium.go(f"{secured[0].origin}/#/Patient/me")
    sign_in(chromium, "doc")
    chromium.sees("Mine")
    assert chromium.run("location.hash") == "#/Patient/me" and chromium.run("document.cookie") == ""
    chromium.go(f"{secured[0].origin}/#/Patient/me~fhirpath")  # asks by POST
    chromium.press("Evaluate")
    chromium.sees("1 result")
    chromium.go(f"{secured[0].origin}/hl7/")
    chromium.sees("Messages")
    chromium.sees("doc")
    assert "Sign in" not in chromium.text()
    chromium.go(f"{secured[0].origin}/dicom/#/quarantine")
    chromium.sees("Quarantine")
    chromium.press("Sign out")
    chromium.sees("Password")
    chromium.go(f"{secured[0].origin}/dicom/")
    chromium.sees("Password")


def test_a_patient_sees_their_own_record_at_the_page(secured: Secured, chromium: Chromium) -> None:
    chromium.go(f"{secured[0].origin}/#/Patient")
    sign_in(chromium, "ada")
    chromium.sees("1 found")
    assert "Mine" in chromium.text() and "Theirs" not in chromium.text()
    chromium.go(f"{secured[0].origin}/#/Patient/other")
    chromium.sees("Not found (404)")
    chromium.go(f"{secured[0].origin}/hl7/")
    chromium.sees("This needs a scope for everything")


def test_a_wrong_password_leaves_the_name_and_the_account_leads_back(secured: Secured, chromium: Chromium) -> None:
    chromium.go(f"{secured[0].origin}/auth/sign-in")
    chromium.fill(name='no "body"', password="wrong")
    chromium.press("Sign in")
    chromium.sees("The name, the password or the code is wrong")
    assert chromium.run("[document.getElementById('name').value, document.activeElement.id]") == [
        'no "body"',
        "password",
    ]
    sign_in(chromium, "doc")
    chromium.press("To the server")
    chromium.sees("resources stored")


def test_after_a_sign_out_back_shows_nothing_and_nothing_was_kept(secured: Secured, chromium: Chromium) -> None:
    origin = secured[0].origin
    chromium.go(f"{origin}/#/Observation/lab")
    sign_in(chromium, "doc")
    chromium.sees("8867-4")
    asked = "fetch('/fhir/Observation/lab').then((answer) => answer.status)"
    assert chromium.run(asked) == 200
    chromium.go(f"{origin}/auth/account")
    chromium.press("Sign out")
    chromium.sees("Password")
    chromium.run("void setTimeout(() => history.go(-2))")  # over the account to the record
    chromium.until("location.search.includes('next=')")
    chromium.sees("Password")
    assert "8867-4" not in chromium.text()
    assert chromium.run(asked) == 401


def test_a_passkey_is_added_and_signs_in(secured: Secured, chromium: Chromium) -> None:
    chromium.call("WebAuthn.enable")
    options = {"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True}
    options |= {"isUserVerified": True, "automaticPresenceSimulation": True}
    chromium.call("WebAuthn.addVirtualAuthenticator", options=options)
    origin = secured[0].origin.replace("127.0.0.1", "localhost")  # a passkey is of a name, never of an address
    chromium.go(f"{origin}/auth/sign-in")
    sign_in(chromium, "doc")
    chromium.press("Add a passkey")
    chromium.sees(chromium.run("navigator.platform") + ", since ")  # the passkey; applications are listed alike
    chromium.press("Sign out")
    chromium.press("Sign in with a passkey")
    chromium.sees("Signed in at")
