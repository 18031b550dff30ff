"""Apps on the clients that others wrote: SMART's for JavaScript launches in Chromium, those for Python have tokens."""

from __future__ import annotations

import functools
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.observation import Observation
from fhirclient.models.patient import Patient
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import ForbiddenError, ResourceNotFound

from tests.system.chromium import Chromium
from tests.system.process import Server, hms
from tests.system.security.started import sign_in

APP = Path(__file__).resolve().parent / "smart_app"
Secured = tuple[Server, Path]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def app(secured: Secured) -> Iterator[str]:
    """The app on an origin of its own, registered with the server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=APP)) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{http.server_port}"
        uris = ("--redirect-uri", f"{origin}/index.html", "--redirect-uri", f"{origin}/README.md")
        hms("client", "add", "app", *uris, "--launch-uri", f"{origin}/launch.html", "--data", secured[1])
        yield origin
        http.shutdown()


def learned(chromium: Chromium) -> dict[str, Any]:
    return json.loads(chromium.until("document.getElementById('found')?.textContent"))


WHOLE = {"patient": "Mine", "user": "Practitioner", "observations": 2, "other": 404, "refreshed": True, "again": 2}


def test_the_javascript_client_launches_from_an_ehr(secured: Secured, app: str, chromium: Chromium) -> None:
    server, data = secured
    chromium.go(hms("launch", "app", "--patient", "me", "--base-url", server.base, "--data", data).strip())
    sign_in(chromium, "doc")
    chromium.press("Allow")
    assert learned(chromium) == WHOLE


def test_the_javascript_client_launches_alone(secured: Secured, app: str, chromium: Chromium) -> None:
    chromium.go(f"{app}/launch.html?server={secured[0].base}")
    sign_in(chromium, "doc")
    chromium.sees("Choose a patient")
    chromium.run("document.querySelector('input[type=radio][value=me]').click()")
    chromium.press("Go on with this patient")
    chromium.press("Allow")
    assert learned(chromium) == WHOLE


def test_the_python_client_goes_the_whole_way(secured: Secured, app: str, chromium: Chromium) -> None:
    settings = {
        "app_id": "app", "api_base": secured[0].base, "redirect_uri": f"{app}/README.md",
        "scope": "launch/patient patient/*.rs openid fhirUser",
    }  # fmt: skip
    smart = FHIRClient(settings=settings)
    chromium.go(smart.authorize_url)
    sign_in(chromium, "ada")
    chromium.press("Allow")
    smart.handle_callback(chromium.until("location.pathname === '/README.md' && location.href"))
    assert smart.patient_id == "me" and smart.patient.name[0].family == "Mine"
    found = Observation.where({}).perform_resources(smart.server)
    assert {each.id for each in found} == {"mine", "lab"}
    with pytest.raises(Exception, match="404"):
        Patient.read("other", smart.server)


def test_fhirpy_with_a_token(secured: Secured) -> None:
    server, data = secured
    token = hms(
        "token", "--scope", "patient/*.rs", "--patient", "me", "--base-url", server.base, "--data", data
    ).strip()
    client = SyncFHIRClient(server.base, authorization=f"Bearer {token}")
    assert {each["id"] for each in client.resources("Observation").fetch_all()} == {"mine", "lab"}
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", "other").to_resource()
    with pytest.raises(ForbiddenError, match="scope"):
        client.resource("Patient", id="me", name=[{"family": "New"}]).save()
