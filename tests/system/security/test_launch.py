"""A SMART app launches, alone and from an EHR (https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html)."""

import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.system.security.conftest import BASE, ORIGIN, REDIRECT, Browser, told

pytestmark = pytest.mark.anyio


async def test_the_configuration_names_what_there_is(browser: Browser) -> None:
    found = (await browser.http.get("/fhir/.well-known/smart-configuration")).json()
    assert found["authorization_endpoint"] == f"{ORIGIN}/auth/authorize"
    assert found["code_challenge_methods_supported"] == ["S256"]
    for name in ("jwks_uri",):
        assert (await browser.http.get(found[name])).status_code == 200
    statement = (await browser.http.get("/fhir/metadata")).json()
    urls = {e["url"]: e["valueUri"] for e in statement["rest"][0]["security"]["extension"][0]["extension"]}
    assert (urls["authorize"], urls["token"]) == (found["authorization_endpoint"], found["token_endpoint"])


async def test_a_standalone_launch_with_a_chosen_patient(browser: Browser) -> None:
    page = await browser.sign_in(await browser.authorize("launch/patient patient/*.rs openid fhirUser"))
    page = await browser.submit_choice(page, "me")
    assert "Ada Mine" in page.text and "Growth Chart" in page.text
    said = await browser.allow(page)
    assert said["state"] == browser.state and said["iss"] == ORIGIN
    token = (await browser.token(said["code"])).json()
    assert token["patient"] == "me" and token["token_type"] == "Bearer"
    keys = KeySet.import_key_set((await browser.http.get("/auth/jwks")).json())
    claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
    assert claims["aud"] == "app" and claims["fhirUser"] == f"{BASE}/Practitioner/doc"


async def test_an_ehr_launch_brings_its_context(browser: Browser) -> None:
    launch = await browser.fhir.server.security.launch({"client": "app", "patient": "me", "intent": "reconcile"})
    token = await browser.granted("launch patient/Observation.rs", launch=launch)
    assert (token["patient"], token["intent"]) == ("me", "reconcile")


async def test_a_patient_is_not_asked_which_patient(browser: Browser) -> None:
    token = await browser.granted("launch/patient patient/*.rs", "ada")
    assert token["patient"] == "me"


async def test_the_request_may_be_posted(browser: Browser) -> None:
    answer = await browser.http.post("/auth/authorize", data=browser.request("user/*.rs"))
    assert answer.status_code == 303
    assert "Sign in" in (await browser.http.get(answer.headers["location"])).text


async def test_scopes_can_be_left_out(browser: Browser) -> None:
    page = await browser.sign_in(await browser.authorize("user/Observation.rs user/Patient.rs"))
    said = await browser.allow(page, scope=["user/Observation.rs", "user/Condition.rs"])
    assert (await browser.token(said["code"])).json()["scope"] == "user/Observation.rs"


@pytest.mark.parametrize(("kept", "told"), [
    (["user/Observation.rs"], None), (["launch/patient"], "me"), (["patient/Observation.rs"], "me"),
])  # fmt: skip
async def test_which_patient_was_chosen_is_told_where_a_person_allows_it(
    browser: Browser, kept: list[str], told: str | None
) -> None:
    page = await browser.sign_in(await browser.authorize("launch/patient patient/Observation.rs user/Observation.rs"))
    said = await browser.allow(await browser.submit_choice(page, "me"), scope=kept)
    assert (await browser.token(said["code"])).json().get("patient") == told


async def test_a_launch_brings_its_context_to_those_only_who_ask_for_it(browser: Browser) -> None:
    launch = await browser.fhir.server.security.launch({"client": "app", "patient": "me", "intent": "reconcile"})
    token = await browser.granted("patient/Observation.rs", launch=launch)
    assert token["patient"] == "me" and "intent" not in token


async def test_a_person_can_refuse(browser: Browser) -> None:
    page = await browser.sign_in(await browser.authorize("user/*.rs"))
    assert told(await browser.submit(page, "/auth/decide", decision="deny"))["error"] == "access_denied"


@pytest.mark.parametrize("prompt", ["login", "consent login"])
async def test_who_is_asked_to_sign_in_again_does_so_beside_other_prompts(browser: Browser, prompt: str) -> None:
    await browser.sign_in(await browser.authorize("user/*.rs"))
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 300_000_000
    assert "asks for access" in (await browser.authorize("user/*.rs", prompt="consent")).text
    assert "Sign in" in (await browser.authorize("user/*.rs", prompt=prompt)).text


@pytest.mark.parametrize("wanted", [{"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}])
async def test_who_has_just_signed_in_does_so_again_where_an_app_asks_for_it(
    browser: Browser, wanted: dict[str, str]
) -> None:
    await browser.sign_in(await browser.authorize("user/*.rs"))
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 2_000_000
    page = await browser.authorize("user/*.rs", login_hint="doc", **wanted)
    assert 'value="doc"' in page.text
    agreed = await browser.sign_in(page)
    clock.now += 9_000_000
    assert "asks for access" in agreed.text
    shown = parse_qs(urlsplit(str(agreed.request.url)).query)["shown"][0]
    again = await browser.authorize("user/*.rs", shown=shown, **{**wanted, "state": "another"})
    assert 'name="password"' in again.text
    assert (await browser.token((await browser.allow(agreed))["code"])).status_code == 200


async def test_a_sign_in_is_as_old_as_an_app_lets_it_be(browser: Browser) -> None:
    await browser.sign_in(await browser.authorize("user/*.rs"))
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 300_000_000
    assert "asks for access" in (await browser.authorize("user/*.rs", max_age="300")).text
    assert 'name="password"' in (await browser.authorize("user/*.rs", max_age="299")).text
    told_app = told(await browser.authorize("user/*.rs", max_age="299", prompt="none"))
    assert told_app["error"] == "login_required"


async def test_a_sign_in_that_became_too_old_on_the_page_gives_nothing(browser: Browser) -> None:
    await browser.sign_in(await browser.authorize("user/*.rs"))
    page = await browser.authorize("user/*.rs", max_age="300")
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 301_000_000
    again = await browser.submit(page, "/auth/decide", decision="allow")
    assert 'name="password"' in again.text
    assert "code" in await browser.allow(await browser.sign_in(again))


async def test_id_token_hint_says_who_is_to_be_signed_in(browser: Browser) -> None:
    hint = (await browser.granted("user/*.rs openid"))["id_token"]
    assert "asks for access" in (await browser.authorize("user/*.rs", id_token_hint=hint)).text
    await browser.http.get("/auth/sign-in")
    await browser.sign_in(await browser.http.get("/auth/sign-in"), "ada")
    quiet = told(await browser.authorize("user/*.rs", id_token_hint=hint, prompt="none"))
    assert quiet["error"] == "login_required"
    page = await browser.authorize("user/*.rs", id_token_hint=hint)
    other = told(await browser.sign_in(page, "ada"))
    assert (other["error"], "id_token_hint" in other["error_description"]) == ("login_required", True)
    assert "asks for access" in (await browser.sign_in(page, "doc")).text
    wrong = told(await browser.authorize("user/*.rs", id_token_hint=hint[:-9]))
    assert wrong["error"] == "invalid_request"


async def test_version_1_scopes_are_accepted(browser: Browser) -> None:
    token = await browser.granted("patient/*.read launch/patient", patient="me")
    assert token["scope"] == "patient/*.read launch/patient"
    headers = {"authorization": f"Bearer {token['access_token']}"}
    assert (await browser.http.get("/fhir/Patient/me", headers=headers)).status_code == 200


async def test_refresh_tokens_rotate_and_one_used_twice_ends_them_all(browser: Browser) -> None:
    first = await browser.granted("offline_access user/Patient.rs")

    async def refresh(token: str):
        form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "app"}
        return await browser.http.post("/auth/token", data=form)

    second = (await refresh(first["refresh_token"])).json()
    assert second["refresh_token"] != first["refresh_token"]
    assert (await refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
    headers = {"authorization": f"Bearer {second['access_token']}"}
    assert (await browser.http.get("/fhir/Patient/me", headers=headers)).status_code == 401


async def test_a_refresh_is_for_whom_the_account_is_now(browser: Browser) -> None:
    token = await browser.granted("openid fhirUser offline_access user/Patient.rs")
    store = browser.fhir.server.security.store
    doc = await store.user_named("doc")
    assert doc is not None
    await store.put_user(msgspec.structs.replace(doc, fhir_user="Patient/me", roles=()))
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": "app"}
    renewed = (await browser.http.post("/auth/token", data=form)).json()
    headers = {"authorization": f"Bearer {renewed['access_token']}"}
    said = (await browser.http.get("/auth/userinfo", headers=headers)).json()
    assert said["fhirUser"].endswith("/Patient/me")
    assert (await browser.http.get("/fhir/Patient/other", headers=headers)).status_code == 404


async def test_online_access_ends_with_the_sign_in(browser: Browser) -> None:
    first = await browser.granted("online_access user/Patient.rs")
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "client_id": "app"}
    token = (await browser.http.post("/auth/token", data=form)).json()
    account = await browser.http.get("/auth/account")
    await browser.submit(account, "/auth/sign-out")
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": "app"}
    assert (await browser.http.post("/auth/token", data=form)).json()["error"] == "invalid_grant"


async def test_the_account_page_ends_an_application(browser: Browser) -> None:
    token = await browser.granted("user/Patient.rs")
    headers = {"authorization": f"Bearer {token['access_token']}"}
    assert (await browser.http.get("/fhir/Patient/me", headers=headers)).status_code == 200
    store = browser.fhir.server.security.store
    family = (await store.families("u-doc"))[0].id
    page = await browser.http.get("/auth/account")
    assert family in page.text
    forms = re.findall(r'name="form" value="([^"]+)"', page.text)
    await browser.http.post("/auth/end", data={"form": forms[0], "family": family})
    assert (await browser.http.get("/fhir/Patient/me", headers=headers)).status_code == 401


async def test_an_app_may_register_itself(browser: Browser) -> None:
    metadata = {
        "client_name": "New",
        "redirect_uris": [REDIRECT],
        "token_endpoint_auth_method": "none",
        "scope": "user/*.rs",
    }
    unheard = {"client_secret": "mine", "logo_uri": "javascript:x"}  # is not registered, and not said to be
    made = (await browser.http.post("/auth/register", json={**metadata, **unheard})).json()
    browser.client_id = made.pop("client_id")
    assert made == {**metadata, "grant_types": ["authorization_code"], "response_types": ["code"]}
    page = await browser.sign_in(await browser.authorize("user/Patient.rs"))
    assert "New asks for access" in page.text and "<b>app.test</b>" in page.text
    token = await browser.token((await browser.allow(page))["code"])
    assert token.json()["scope"] == "user/Patient.rs"
    refused = await browser.http.post("/auth/register", json={**metadata, "scope": "system/*.rs"})
    assert refused.json()["error"] == "invalid_client_metadata"


async def test_a_public_client_may_refresh_without_its_id_and_reuse_is_still_seen(browser: Browser) -> None:
    first = (await browser.granted("offline_access user/Patient.rs"))["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": first}
    second = (await browser.http.post("/auth/token", data=form)).json()["refresh_token"]
    assert (await browser.http.post("/auth/token", data=form)).json()["error"] == "invalid_grant"
    form["refresh_token"] = second
    assert (await browser.http.post("/auth/token", data=form)).json()["error"] == "invalid_grant"
    form["refresh_token"] = "unknown"
    assert (await browser.http.post("/auth/token", data=form)).json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"redirect_uri": f"{REDIRECT}/"}, f"{REDIRECT}/ is none of those"),
        ({"redirect_uri": "https://x.test/<b>"}, "&lt;b&gt; is none of those"),
        ({"client_id": "unknown"}, "hms client add"),
    ],
)
async def test_a_person_is_told_what_is_wrong_where_the_app_can_not_be(
    browser: Browser, wrong: dict, said: str
) -> None:
    page = await browser.authorize("patient/*.rs", **wrong)
    assert page.status_code == 400 and said in page.text, page.text


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"scope": "patient/Observations.rs"}, "invalid_scope", "'patient/Observations.rs' is no SMART scope"),
        ({"scope": "patient/Patient.rs patient/Observation.rs?categry=vital-signs"}, "invalid_scope", "'category'?"),
        ({"scope": "patient/Observation.rs?_count=1"}, "invalid_scope", "_count=1 can't be understood"),
        ({"code_challenge_method": "plain"}, "invalid_request", "S256"),
        ({"aud": "https://other.test/fhir"}, "invalid_request", BASE),
        ({"launch": "stale"}, "invalid_request", "launch the app again"),
        ({"response_mode": "fragment"}, "invalid_request", "query"),
        ({"max_age": "soon"}, "invalid_request", "seconds"),
        ({"request_uri": "https://app.test/r"}, "request_uri_not_supported", "request_uri"),
        ({"prompt": "none login"}, "invalid_request", "stands alone"),
        ({"prompt": "none"}, "login_required", "signed in"),
    ],
)
async def test_an_app_is_told_what_to_change(browser: Browser, wrong: dict, error: str, said: str) -> None:
    answer = told(await browser.authorize(**{"scope": "patient/*.rs", **wrong}))
    assert answer["error"] == error and said in answer["error_description"]


async def test_a_token_request_that_is_no_form_is_told_so(browser: Browser) -> None:
    answer = await browser.http.post("/auth/token", json={"grant_type": "authorization_code", "client_id": "app"})
    assert answer.status_code == 401 and "urlencoded" in answer.json()["error_description"]
