"""A secured server, an app as a browser and its user drive it, and a small hospital to be careful with."""

from __future__ import annotations

import base64
import functools
import hashlib
import html
import re
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from fhir_server.core.settings import Settings
from fhir_server.security import passwords
from fhir_server.security.encryption.master_keys import add_key
from fhir_server.security.model import Client, User
from tests.conftest import Fhir
from tests.system.chromium import Chromium, browsing
from tests.system.process import Server, serving

ORIGIN = "http://fhir.test"
BASE = f"{ORIGIN}/fhir"
REDIRECT = "https://app.test/callback"
PASSWORD = "correct horse battery"
CODE = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
VITALS = "http://terminology.hl7.org/CodeSystem/observation-category"


def observation(id: str, patient: str, category: str = "vital-signs") -> dict[str, Any]:
    return {
        "resourceType": "Observation", "id": id, "status": "final", "code": CODE,
        "category": [{"coding": [{"system": VITALS, "code": category}]}],
        "subject": {"reference": f"Patient/{patient}"},
    }  # fmt: skip


RESOURCES = [
    {"resourceType": "Practitioner", "id": "doc", "name": [{"family": "Doktor"}]},
    {"resourceType": "Organization", "id": "house", "name": "House"},
    {"resourceType": "Patient", "id": "me", "name": [{"family": "Mine", "given": ["Ada"]}], "birthDate": "1980-01-01"},
    {"resourceType": "Patient", "id": "other", "name": [{"family": "Theirs"}], "link": [
        {"other": {"reference": "Patient/me"}, "type": "seealso"}]},
    observation("mine", "me"), observation("lab", "me", "laboratory"), observation("theirs", "other"),
    {"resourceType": "Device", "id": "pump", "patient": {"reference": "Patient/other"}},
    {"resourceType": "Binary", "id": "scan", "contentType": "text/plain", "data": "c2VjcmV0"},
]  # fmt: skip


@functools.cache
def hashed() -> str:
    """PASSWORD as it is kept; hashing is meant to take long, so that it is done once."""
    return passwords.hashed(PASSWORD)


@pytest.fixture
def settings(settings: Settings, tmp_path: Path) -> Settings:
    keys = tmp_path / "account-keys.json"
    add_key(keys)
    smart: dict[str, Any] = {"security": "smart", "dynamic_registration": True, "account_keys": str(keys)}
    return msgspec.structs.replace(settings, **smart)


@pytest.fixture
async def hospital(fhir: Fhir) -> AsyncIterator[Fhir]:
    from fhir_server.api import Request

    for resource in RESOURCES:
        await fhir.server.perform(
            Request("PUT", (resource["resourceType"], resource["id"]), resource=resource, base=BASE)
        )
    security = fhir.server.security
    for name, record, roles in (("doc", "Practitioner/doc", ("physician",)), ("ada", "Patient/me", ())):
        await security.store.put_user(User(id=f"u-{name}", name=name, password=hashed(), fhir_user=record, roles=roles))
    app = Client(
        id="app", name="Growth Chart", redirect_uris=(REDIRECT,), launch_uri="https://app.test/launch",
        scopes="openid fhirUser launch launch/patient online_access offline_access patient/*.cruds user/*.cruds",
    )  # fmt: skip
    await security.add_client(app, confidential=False)
    yield fhir


class Browser:
    """A browser with cookies, and an app that begins an authorization in it."""

    def __init__(self, fhir: Fhir, client_id: str = "app") -> None:
        self.fhir = fhir
        self.http = httpx.AsyncClient(transport=fhir.http._transport, base_url=ORIGIN)
        self.client_id = client_id
        self.verifier = secrets.token_urlsafe(48)
        self.state = secrets.token_urlsafe(8)

    def request(self, scope: str, **more: str) -> dict[str, str]:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": REDIRECT, "scope": scope,
            "state": self.state, "aud": BASE, "code_challenge": challenge, "code_challenge_method": "S256",
        }  # fmt: skip
        return {name: value for name, value in {**asked, **more}.items() if value}

    async def authorize(self, scope: str, **more: str) -> httpx.Response:
        return await self.http.get("/auth/authorize", params=self.request(scope, **more))

    async def submit(self, page: httpx.Response, action: str, **values: Any) -> httpx.Response:
        """Fills in the form of a page with this action and sends it, going where it leads within the server."""
        form = next(f for f in re.findall(r"<form.*?</form>", page.text, re.DOTALL) if f'action="{action}"' in f)
        fields: dict[str, Any] = {}
        for name, value in re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', form):
            fields[html.unescape(name)] = html.unescape(value)
        for name, value in re.findall(r'<input type="checkbox" name="([^"]+)" value="([^"]*)" checked>', form):
            fields.setdefault(name, []).append(html.unescape(value))
        fields.update(values)
        if 'method="post"' in form:
            answer = await self.http.post(action, data=fields)
        else:
            answer = await self.http.get(action, params=fields)
        while answer.status_code == 303 and answer.headers["location"].startswith("/"):
            answer = await self.http.get(answer.headers["location"])
        return answer

    async def sign_in(self, page: httpx.Response, name: str = "doc", password: str = PASSWORD) -> httpx.Response:
        return await self.submit(page, "/auth/sign-in", name=name, password=password)

    async def allow(self, page: httpx.Response, **values: Any) -> dict[str, str]:
        """Agrees; what the app is told at its redirect URI."""
        return told(await self.submit(page, "/auth/decide", decision="allow", **values))

    async def token(self, code: str, **more: str) -> httpx.Response:
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": REDIRECT, "client_id": self.client_id,
            "code_verifier": self.verifier,
        }  # fmt: skip
        return await self.http.post("/auth/token", data={**form, **more})

    async def granted(self, scope: str, user: str = "doc", patient: str = "", **more: str) -> dict[str, Any]:
        """The whole way to a token response."""
        page = await self.sign_in(await self.authorize(scope, **more), user)
        if patient:
            page = await self.submit_choice(page, patient)
        answer = await self.token((await self.allow(page))["code"])
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def submit_choice(self, page: httpx.Response, patient: str) -> httpx.Response:
        forms = re.findall(r"<form.*?</form>", page.text, re.DOTALL)
        assert f'value="{patient}"' in forms[1], page.text
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', forms[1]))
        parameters = {html.unescape(name): html.unescape(value) for name, value in fields.items()}
        return await self.http.get("/auth/authorize", params={**parameters, "patient": patient})


def told(answer: httpx.Response) -> dict[str, str]:
    """What the redirect to the app says."""
    assert answer.status_code == 303, answer.text
    location = answer.headers["location"]
    assert location.startswith(f"{REDIRECT}?"), location
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


@pytest.fixture
async def browser(hospital: Fhir) -> AsyncIterator[Browser]:
    browser = Browser(hospital)
    yield browser
    await browser.http.aclose()


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """A started server with its data folder, for tests that drive a browser."""
    from tests.system.security import started

    data = tmp_path_factory.mktemp("secured") / "data"
    started.prepare(data)
    hl7 = tmp_path_factory.mktemp("hl7") / "hl7.toml"
    hl7.write_text("[listener.ward]\nport = 0\n")
    with serving(data, "--security", "smart", "--hl7", hl7, *started.DICOM) as server:
        started.fill(server, data)
        yield server, data


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    with browsing(tmp_path / "profile") as chromium:
        yield chromium
