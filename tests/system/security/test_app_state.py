"""App state of SMART apps (SMART App Launch 2.2): whose it is, what it says, how it changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.security.policies import load
from tests.conftest import Fhir
from tests.system.security.conftest import BASE
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

APP = "https://app.test"
POLICIES = """
[app_state.app]
modify = ["https://app.test|preferences", "https://app.test|keys"]
query = ["https://app.test|site"]

[app_state.companion]
query = ["https://app.test|keys"]

[app_state.manager]
modify = ["https://app.test|site"]
global = true
"""
USER, PATIENT = f"{BASE}/Practitioner/doc", f"{BASE}/Patient/me"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "policies.toml").write_text(POLICIES)
    return Settings(
        data=tmp_path / "data", synchronous="OFF", security="smart", policies=str(tmp_path / "policies.toml")
    )


def state(code: str = "preferences", subject: str = USER, text: str = "dark", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": "Basic", "code": {"coding": [{"system": APP, "code": code}]}}
    if subject:
        made["subject"] = {"reference": subject}
    return {**made, "extension": [{"url": f"{APP}/{code}", "valueString": text}], **more}


class App(Asking):
    async def change(self, id: str, body: dict[str, Any] | None, etag: str = "") -> httpx.Response:
        """PUT, or DELETE without a body."""
        self.headers = self.headers or await self._token()
        headers = {**self.headers, **({"if-match": etag} if etag else {})}
        method = "PUT" if body else "DELETE"
        sent = {**body, "id": id} if body else None
        return await self.http.request(method, f"{BASE}/Basic/{id}", json=sent, headers=headers)

    async def queried(self, code: str, subject: str = "") -> list[str]:
        about = f"subject={subject}" if subject else "subject:missing=true"
        return await self.ids(f"Basic?code={APP}|{code}&{about}")


async def test_it_is_created_found_replaced_and_deleted_by_its_version(hospital: Fhir) -> None:
    app = App(hospital, "user/Basic.cuds")
    made = await app("Basic", "POST", state())
    assert made.status_code == 201 and made.headers["etag"] == 'W/"1"', made.text
    kept = made.json()
    assert kept["extension"] == state()["extension"] and kept["code"] == state()["code"]
    assert kept["subject"]["reference"] in (USER, "Practitioner/doc") and kept["meta"]["versionId"] == "1"
    id = kept["id"]
    assert await app.queried("preferences", USER) == await app.queried("preferences", "Practitioner/doc") == [id]
    assert (await app.change(id, state(text="light"))).status_code == 412
    assert (await app.change(id, state(text="light"), 'W/"7"')).status_code == 412
    replaced = await app.change(id, state(text="light"), 'W/"1"')
    assert replaced.status_code == 200 and replaced.headers["etag"] == 'W/"2"', replaced.text
    assert replaced.json()["extension"][0]["valueString"] == "light"
    assert (await app.change(id, None)).status_code == 412 == (await app.change(id, None, 'W/"1"')).status_code
    assert (await app.change(id, None, 'W/"2"')).status_code in (200, 204)
    for body in (state(), None):
        assert (await app.change(id, body, 'W/"3"')).status_code == 412
    assert (await app.change(id, state())).status_code == 412
    assert await app.queried("preferences", USER) == []


async def test_code_and_subject_stay_and_no_patch_gets_around(hospital: Fhir) -> None:
    app = App(hospital, "user/Basic.cruds", patient="me")
    id = (await app("Basic", "POST", state())).json()["id"]
    for other in (state("keys"), state(subject=PATIENT), state(subject="")):
        answer = await app.change(id, other, 'W/"1"')
        assert answer.status_code in (403, 412), answer.text
    patch = [{"op": "replace", "path": "/extension/0/valueString", "value": "x"}]
    answer = await app.http.patch(f"{BASE}/Basic/{id}", json=patch,
                                  headers={**app.headers, "content-type": "application/json-patch+json"})  # fmt: skip
    assert answer.status_code == 405
    entry = {"resource": {**state(text="x"), "id": id}, "request": {"method": "PUT", "url": f"Basic/{id}"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert (await app("", "POST", bundle)).status_code == 412
    bundle["entry"] = [{"request": {"method": "DELETE", "url": f"Basic/{id}"}}]
    assert (await app("", "POST", bundle)).status_code == 412
    assert await app.queried("preferences", USER) == [id]


@pytest.mark.parametrize(
    "body",
    [
        state(text="x" * 256 * 1024),
        state(code="preferences") | {"code": {"coding": state()["code"]["coding"] * 2}},
        state() | {"extension": [{"url": "https://app.test/x", "valueInteger": 1}]},
        state() | {"extension": [{"url": "https://app.test/x", "extension": [{"url": "y", "valueString": "z"}]}]},
        state(subject=f"{BASE}/Organization/house"),
        state(subject="https://elsewhere.test/fhir/Patient/me"),
        state() | {"subject": {"display": "somebody"}},
    ],
    ids=["too large", "two codings", "other extension", "complex extension", "subject", "elsewhere", "no reference"],
)
async def test_what_breaks_its_rules_is_refused(hospital: Fhir, body: dict[str, Any]) -> None:
    answer = await App(hospital, "user/Basic.cuds")("Basic", "POST", body)
    assert answer.status_code in (413, 422), answer.text


async def test_only_apps_that_it_was_given_to_have_it_and_of_their_user_and_patient_only(hospital: Fhir) -> None:
    app = App(hospital, "user/Basic.cruds patient/Basic.cruds", patient="me")
    keys = (await app("Basic", "POST", state("keys", PATIENT))).json()["id"]
    own = (await app("Basic", "POST", state())).json()["id"]
    assert await app.queried("keys", PATIENT) == [keys]
    companion = App(hospital, "user/*.cruds", patient="me", client="companion")
    assert await companion.queried("keys", PATIENT) == [keys] and await companion.ids("Basic") == [keys]
    assert (await companion.change(keys, state("keys", PATIENT), 'W/"1"')).status_code in (403, 404, 412)
    assert (await companion("Basic", "POST", state("keys", PATIENT))).status_code == 403
    stranger = App(hospital, "user/*.cruds", patient="me", client="stranger")
    assert await stranger.ids("Basic") == [] and (await stranger(f"Basic/{keys}")).status_code == 404
    assert (await stranger("Basic", "POST", state())).status_code == 403
    for more in ({"patient": "other"}, {"fhir_user": "Practitioner/else", "patient": "other"}):
        other = App(hospital, "user/Basic.cruds", **more)
        assert keys not in await other.ids("Basic")
        assert (await other("Basic", "POST", state("keys", PATIENT))).status_code == 403
    assert await App(hospital, "user/Basic.cruds", fhir_user="Practitioner/else").ids("Basic") == []
    assert own in await app.ids("Basic")
    patients = App(hospital, f"patient/Basic.s?code={APP}|keys", patient="me")
    assert await patients.ids("Basic") == [keys]


async def test_global_state_is_modified_by_whom_the_policies_let_and_queried_by_others(hospital: Fhir) -> None:
    manager = App(hospital, "user/Basic.cuds", client="manager")
    site = (await manager("Basic", "POST", state("site", ""))).json()["id"]
    app = App(hospital, "user/Basic.cuds")
    assert await app.queried("site") == await manager.queried("site") == [site]
    assert (await app("Basic", "POST", state("preferences", ""))).status_code == 403
    assert (await app.change(site, state("site", ""), 'W/"1"')).status_code == 412  # to modify, it is not there
    assert (await manager.change(site, state("site", "", "x"), 'W/"1"')).status_code == 200


async def test_every_other_basic_is_a_resource_as_any(hospital: Fhir) -> None:
    app = App(hospital, "user/Basic.cruds", client="stranger")
    other = {"resourceType": "Basic", "id": "b", "code": {"coding": [{"system": "http://x.test", "code": "y"}]}}
    assert (await app("Basic/b", "PUT", other)).status_code == 201
    assert (await app("Basic/b", "PUT", other)).status_code == 200
    assert await app.ids("Basic") == ["b"] and (await app("Basic/b", "DELETE")).status_code == 204


async def test_the_capability_is_claimed_where_the_policies_give_it(hospital: Fhir, settings: Settings) -> None:
    asked = await hospital.http.get(f"{BASE}/.well-known/smart-configuration")
    assert "smart-app-state" in asked.json()["capabilities"]
    assert not load("").app_state
    Path(settings.policies).write_text('[app_state.app]\nquery = ["no bar"]\n')
    with pytest.raises(FhirError, match=r"system\|code"):
        load(settings.policies)
