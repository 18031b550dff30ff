"""This server with a real Keycloak: people sign in there, and its tokens are believed here. `make test-keycloak`."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from tests.system.chromium import Chromium, browsing
from tests.system.process import Server, hms, serving

HERE = Path(__file__).resolve().parent
PASSWORD = "correct horse battery"
SECONDS = 600  # the first start downloads 150 MB

pytestmark = pytest.mark.skipif(not os.environ.get("KEYCLOAK"), reason="`make test-keycloak` starts a Keycloak for it.")

PROVIDER = """
[[provider]]
name = "hospital"
title = "your hospital account"
issuer = "{keycloak}/realms/hospital"
client_id = "hms"
client_secret = "hms-secret"
[provider.roles]
fhir-physician = "physician"
"""


class Both(NamedTuple):
    server: Server
    keycloak: str

    def token(self, user: str, scope: str = "openid user/Patient.rs") -> dict[str, str]:
        """What Keycloak gives an app of this user."""
        form = {"grant_type": "password", "client_id": "phone", "username": user, "password": PASSWORD, "scope": scope}
        answer = httpx.post(f"{self.keycloak}/realms/hospital/protocol/openid-connect/token", data=form)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def get(self, path: str, token: str) -> httpx.Response:
        return httpx.get(f"{self.server.base}/{path}", headers={"authorization": f"Bearer {token}"})


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("keycloak")
    own, port = free_port(), free_port()
    realm = (HERE / "realm.json").read_text()
    realm = realm.replace("FHIR_BASE", f"http://127.0.0.1:{own}/fhir").replace("FHIR_ORIGIN", f"http://127.0.0.1:{own}")
    (folder / "realm.json").write_text(realm)
    command = [str(HERE / "start-keycloak.sh"), str(folder / "realm.json"), str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as started:
        assert started.stdout is not None
        try:
            said = next((line for line in started.stdout if line.startswith(("READY", "ABSENT"))), "")
            if said.startswith("ABSENT"):
                warnings.warn("Keycloak could not be downloaded: nothing is tested with it.", stacklevel=1)
                pytest.skip("Keycloak could not be downloaded.")
            assert said, "Keycloak did not start."
            (folder / "openid.toml").write_text(PROVIDER.format(keycloak=f"http://127.0.0.1:{port}"))
            options = ("--security", "smart", "--openid", folder / "openid.toml", "--port", own)
            with serving(folder / "data", *options) as server:
                token = hms("token", "--data", folder / "data", "--base-url", server.base).strip()
                for id in ("me", "other"):
                    patient = {"resourceType": "Patient", "id": id, "name": [{"family": f"Family-{id}"}]}
                    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
                    httpx.put(f"{server.base}/Patient/{id}", content=json.dumps(patient), headers=headers)
                yield Both(server, f"http://127.0.0.1:{port}")
        finally:
            with suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGTERM)
            started.wait(60)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Chromium]:
    with browsing(tmp_path / "profile") as browser:
        yield browser


def sign_in(both: Both, browser: Chromium, name: str) -> None:
    browser.go(f"{both.server.origin}/#/Patient")
    browser.press("Sign in with your hospital account")
    browser.fill(username=name, password=PASSWORD)
    browser.press("Sign In")


def test_a_person_signs_in_at_keycloak_and_works_at_the_page(both: Both, browser: Chromium) -> None:
    sign_in(both, browser, "grace")
    browser.sees("2 found")
    assert browser.run("location.origin") == both.server.origin and "grace@hospital" in browser.text()


def test_a_patient_of_keycloak_sees_their_own_record(both: Both, browser: Chromium) -> None:
    sign_in(both, browser, "ada")
    browser.sees("1 found")
    assert "Family-other" not in browser.text()


def test_an_account_without_role_and_record_stays_out(both: Both, browser: Chromium) -> None:
    sign_in(both, browser, "guest")
    browser.sees("Your account has no role and no record here")


def test_tokens_of_keycloak_are_believed_for_what_they_are(both: Both) -> None:
    token = both.token("grace")
    assert both.get("Patient", token["access_token"]).json()["total"] == 2
    assert both.get("Observation", token["access_token"]).status_code == 403
    assert both.get("Patient", both.token("ada")["access_token"]).json()["total"] == 1
    assert both.get("Patient", both.token("grace", "openid")["access_token"]).status_code == 403
    assert both.get("Patient", token["id_token"]).status_code == 401
    assert both.get("Patient", token["refresh_token"]).status_code == 401
