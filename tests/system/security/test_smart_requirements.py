"""The requirements of SMART App Launch 2.2 on servers (smart_2_2.csv, from Inferno's test kit): each names the test
that covers it, or the reason why none does. Here are those tests that belong to no other place.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey

from fhir_server.core.settings import Settings
from fhir_server.security.model import Client
from tests.conftest import Fhir
from tests.system.security.conftest import BASE, ORIGIN, Browser
from tests.system.security.provider import providing
from tests.system.security.test_attacks import Service

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, jwks_networks=("127.0.0.1/32",))


HERE = Path(__file__).resolve().parent
TESTS = HERE.parents[1]


async def test_every_requirement_names_a_test_that_exists_or_a_reason() -> None:
    with (HERE / "smart_2_2.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len({row["id"] for row in rows}) == 263
    sources: dict[str, str] = {}
    for row in rows:
        assert bool(row["test"]) != bool(row["reason"]), row
        if row["test"]:
            file_name, _, name = row["test"].partition("::")
            source = sources.setdefault(file_name, (TESTS / file_name).read_text("utf-8"))
            assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), row


async def test_the_configuration_has_what_smart_wants(browser: Browser) -> None:
    for accept in ("application/json", "text/html", "application/fhir+xml"):
        answer = await browser.http.get("/fhir/.well-known/smart-configuration", headers={"accept": accept})
        assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    found: dict[str, Any] = answer.json()
    places = ("authorization", "token", "introspection", "revocation", "registration", "management", "userinfo")
    urls = [found[f"{place}_endpoint"] for place in places] + [found["jwks_uri"], found["issuer"]]
    assert all(url.startswith(ORIGIN) for url in urls)
    assert {"authorization_code", "client_credentials"} <= set(found["grant_types_supported"])
    assert found["code_challenge_methods_supported"] == ["S256"] and found["response_types_supported"] == ["code"]
    assert "private_key_jwt" in found["token_endpoint_auth_methods_supported"]
    assert {"RS384", "ES384"} <= set(found["token_endpoint_auth_signing_alg_values_supported"])
    assert {"permission-v1", "permission-v2", "client-confidential-asymmetric"} <= set(found["capabilities"])
    assert {"openid", "launch", "offline_access"} <= set(found["scopes_supported"])
    assert found["id_token_signing_alg_values_supported"] == ["RS256"]


async def test_browsers_of_any_origin_may_ask(browser: Browser) -> None:
    headers = {"origin": "https://app.test", "access-control-request-method": "POST"}
    for path in ("/fhir/.well-known/smart-configuration", "/fhir/metadata", "/auth/token", "/fhir/Patient"):
        asked = await browser.http.options(path, headers=headers)
        assert asked.headers["access-control-allow-origin"] == "*"
        answer = await browser.http.get(path, headers={"origin": "https://app.test"})
        assert answer.headers["access-control-allow-origin"] == "*", path


async def test_a_token_response_has_what_smart_wants(browser: Browser) -> None:
    page = await browser.sign_in(await browser.authorize("openid fhirUser offline_access user/Patient.rs"))
    answer = await browser.token((await browser.allow(page))["code"])
    assert (answer.headers["cache-control"], answer.headers["pragma"]) == ("no-store", "no-cache")
    found = answer.json()
    assert found["token_type"] == "Bearer" and found["expires_in"] <= 3600
    assert re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", found["access_token"])
    assert found["refresh_token"] and found["id_token"] and found["scope"].endswith("user/Patient.rs")


async def test_a_code_that_is_late_is_refused(browser: Browser) -> None:
    code = (await browser.allow(await browser.sign_in(await browser.authorize("user/Patient.rs"))))["code"]
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 61_000_000
    assert (await browser.token(code)).json()["error"] == "invalid_grant"


async def test_a_refresh_gives_the_same_again(browser: Browser) -> None:
    first = await browser.granted("launch/patient offline_access patient/*.rs", patient="me")
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": "app"}
    again = (await browser.http.post("/auth/token", data=form)).json()
    for name in ("scope", "patient", "expires_in", "token_type"):
        assert again[name] == first[name]


async def test_launch_context_comes_with_the_token(browser: Browser) -> None:
    context: dict[str, Any] = {
        "patient": "me", "encounter": "e1", "need_patient_banner": False, "intent": "reconcile",
        "smart_style_url": "https://ehr.test/style.json", "tenant": "t",
        "fhirContext": [
            {"reference": "ImagingStudy/1", "role": "https://ehr.test/role"}, {"reference": "ImagingStudy/2"},
            {"canonical": "http://q.test/Questionnaire|1", "type": "Questionnaire"},
            {"identifier": {"value": "7"}, "type": "Task"},
        ],
    }  # fmt: skip
    launch = await browser.fhir.server.security.launch({"client": "app", **context})
    token = await browser.granted("launch patient/Observation.rs", launch=launch)
    assert {name: token[name] for name in context} == context and "client" not in token


async def test_a_patient_scope_alone_asks_for_a_patient(browser: Browser) -> None:
    page = await browser.sign_in(await browser.authorize("patient/Observation.rs"))
    assert "Choose a patient" in page.text


async def test_scopes_out_of_order_are_no_scopes(browser: Browser) -> None:
    token = await browser.granted("user/Patient.sr user/Patient.x user/Observation.rs")
    assert token["scope"] == "user/Observation.rs"


async def test_tokens_are_small(browser: Browser) -> None:
    assert len((await browser.granted("openid fhirUser user/*.cruds"))["access_token"]) < 1000


async def test_user_information_is_given_to_whoever_has_openid(browser: Browser) -> None:
    token = (await browser.granted("openid fhirUser"))["access_token"]
    found = (await browser.http.get("/auth/userinfo", headers={"authorization": f"Bearer {token}"})).json()
    assert found["fhirUser"] == f"{BASE}/Practitioner/doc" and found["sub"] == "u-doc"


async def test_introspection_tells_what_smart_wants(browser: Browser) -> None:
    asker = Client(id="resource-server", name="R", grants=(), resource_server=True)
    _, secret = await browser.fhir.server.security.add_client(asker, confidential=True)
    token = await browser.granted("openid fhirUser launch/patient patient/*.rs", patient="me")
    sent = {"token": token["access_token"]}
    found = (await browser.http.post("/auth/introspect", data=sent, auth=("resource-server", secret))).json()
    assert found["active"] is True and found["client_id"] == "app" and found["scope"] == token["scope"]
    assert found["patient"] == "me" and found["iss"] == ORIGIN and found["sub"] == "u-doc"
    assert found["fhirUser"] == f"{BASE}/Practitioner/doc" and isinstance(found["exp"], int)
    public = await browser.http.post("/auth/introspect", data={**sent, "client_id": "app"})
    assert public.status_code == 401


async def test_introspection_tells_the_whole_launch_context(browser: Browser) -> None:
    asker = Client(id="resource-server", name="R", grants=(), resource_server=True)
    _, secret = await browser.fhir.server.security.add_client(asker, confidential=True)
    context: dict[str, Any] = {
        "patient": "me", "intent": "order-review", "need_patient_banner": False,
        "fhirContext": [{"reference": "Observation/mine"}],
    }  # fmt: skip
    launch = await browser.fhir.server.security.launch({"client": "app", **context})
    token = await browser.granted("launch patient/*.rs offline_access", launch=launch)
    sent = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": "app"}
    again = (await browser.http.post("/auth/token", data=sent)).json()
    for each in (token, again):
        sent = {"token": each["access_token"]}
        found = (await browser.http.post("/auth/introspect", data=sent, auth=("resource-server", secret))).json()
        assert context.items() <= each.items() and context.items() <= found.items()


async def test_a_resource_server_introspects_by_a_bearer_token_of_its_own(browser: Browser) -> None:
    app = await browser.granted("openid fhirUser launch/patient patient/*.rs offline_access", patient="me")
    service = await Service(browser.fhir, resource_server=True).registered()
    bearer = (await service.token(service.assertion())).json()["access_token"]
    for name in ("access_token", "refresh_token"):
        found = await browser.http.post(
            "/auth/introspect", data={"token": app[name]}, headers={"authorization": f"Bearer {bearer}"}
        )
        assert found.json()["active"] is True and found.json()["client_id"] == "app"
    headers = {"authorization": f"Bearer {bearer}"}
    in_url = await browser.http.post("/auth/introspect", params={"token": app["access_token"]}, headers=headers)
    assert in_url.status_code == 400 and "in the body" in in_url.json()["error_description"]


async def test_tokens_of_no_resource_server_do_not_introspect(browser: Browser) -> None:
    app = (await browser.granted("launch/patient patient/*.rs", patient="me"))["access_token"]
    service = await Service(browser.fhir).registered()
    other = (await service.token(service.assertion())).json()["access_token"]
    for bearer in (app, other, "", "x.y.z"):
        found = await browser.http.post(
            "/auth/introspect", data={"token": app}, headers={"authorization": f"Bearer {bearer}"}
        )
        assert found.status_code == 401 and found.json()["error"] == "invalid_token"


async def test_a_client_that_is_no_resource_server_is_told_of_its_own_tokens_only(browser: Browser) -> None:
    app = await browser.granted("launch/patient patient/*.rs offline_access", patient="me")
    client = Client(id="conf", name="C", scopes="system/*.rs", grants=("client_credentials",))
    _, secret = await browser.fhir.server.security.add_client(client, confidential=True)
    form = {"grant_type": "client_credentials", "scope": "system/Patient.rs"}
    own = (await browser.http.post("/auth/token", data=form, auth=("conf", secret))).json()["access_token"]

    async def told(token: str) -> dict[str, Any]:
        return (await browser.http.post("/auth/introspect", data={"token": token}, auth=("conf", secret))).json()

    assert (await told(own))["active"] is True
    assert await told(app["access_token"]) == await told(app["refresh_token"]) == {"active": False}


async def test_a_service_gets_a_short_token(hospital: Fhir) -> None:
    service = await Service(hospital).registered()
    found = (await service.token(service.assertion())).json()
    assert found["expires_in"] == 300 and found["token_type"] == "Bearer" and "refresh_token" not in found
    answer = await hospital.get("Patient", authorization=f"Bearer {found['access_token']}")
    assert answer.status_code == 200
    clock: Any = hospital.server.environment.clock
    clock.now += 301_000_000
    answer = await hospital.get("Patient", authorization=f"Bearer {found['access_token']}")
    assert answer.status_code == 401


async def test_keys_may_be_registered_by_url(hospital: Fhir) -> None:
    with providing() as site:
        service = await Service(hospital).registered()
        site.keys = [service.key]
        url = f"{site.issuer}/keys"
        client = Client(id="by-url", name="U", jwks_uri=url, scopes="system/*.rs", grants=("client_credentials",))
        await hospital.server.security.add_client(client, confidential=False)
        by_url: dict[str, Any] = {"iss": "by-url", "sub": "by-url"}
        assert (await service.token(service.assertion({"jku": url}, **by_url))).status_code == 200
        assert (await service.token(service.assertion(None, **by_url))).status_code == 200
        elsewhere = service.assertion({"jku": f"{url}/other"}, **by_url)
        assert (await service.token(elsewhere)).status_code == 401
        assert site.asked == ["/realm/keys"]
        service.key = ECKey.generate_key("P-384", auto_kid=True)
        site.keys = [service.key]
        clock: Any = hospital.server.environment.clock
        clock.now += 10_000_000
        assert (await service.token(service.assertion(None, **by_url))).status_code == 200
        assert site.asked == ["/realm/keys", "/realm/keys"]
