"""Tokens and accounts of an outside OpenID provider: which are believed, for what, and which are not."""

from __future__ import annotations

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import RSAKey
from structlog.testing import capture_logs

from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.security.model import User
from fhir_server.security.openid.configuration import load
from tests.conftest import Fhir
from tests.system.security.conftest import BASE, ORIGIN, Browser, observation, told
from tests.system.security.provider import Provider, providing, query_of
from tests.system.security.test_subscriptions import Maker, became

pytestmark = pytest.mark.anyio

FILE = """
[[provider]]
name = "realm"
title = "the hospital’s account"
issuer = "{issuer}"
client_id = "hms"
client_secret = "s3cret"
[provider.roles]
fhir-physician = "physician"
[provider.scopes]
physician = "user/Observation.rs"
"""


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing() as made:
        yield made


@pytest.fixture
def settings(tmp_path: Path, provider: Provider) -> Settings:
    file = tmp_path / "openid.toml"
    file.write_text(FILE.format(issuer=provider.issuer))
    provider.keys = [provider.key]
    return Settings(data=tmp_path / "data", synchronous="OFF", security="smart", openid=str(file))


def now(fhir: Fhir) -> int:
    return fhir.server.environment.clock() // 1_000_000


async def get(fhir: Fhir, path: str, token: str) -> httpx.Response:
    return await fhir.get(path, authorization=f"Bearer {token}")


async def test_a_token_of_the_provider_has_its_scopes_and_those_of_its_roles(hospital: Fhir, provider: Provider):
    token = provider.token(now(hospital))
    assert (await get(hospital, "Patient", token)).json()["total"] == 2
    assert (await get(hospital, "Observation", token)).json()["total"] == 3
    assert (await get(hospital, "Device", token)).status_code == 403
    without = provider.token(now(hospital), realm_access={"roles": ["other"]}, scope="system/*.cruds user/Patient.rs")
    assert (await get(hospital, "Observation", without)).status_code == 403
    own = provider.token(now(hospital), fhirUser=f"{BASE}/Patient/me")
    assert (await get(hospital, "Patient", own)).json()["total"] == 1
    launched = provider.token(now(hospital), scope="patient/*.rs", patient="me", realm_access=None)
    assert (await get(hospital, "Observation", launched)).json()["total"] == 2


async def test_a_patient_whose_record_is_elsewhere_is_not_taken_for_somebody_with_none(
    hospital: Fhir, provider: Provider
):
    for record in ("https://other.test/fhir/Patient/me", f"{BASE}/Patient/me/_history/1", "patient/me", "Patient/m_e",
                   "https://other.test/fhir/RelatedPerson/1", "https://other.test/fhir/Person/1"):  # fmt: skip
        answer = await get(hospital, "Patient", provider.token(now(hospital), fhirUser=record))
        assert answer.status_code == 401 and "fhirUser" in answer.text, record
    elsewhere = provider.token(now(hospital), fhirUser="https://patient.test/fhir/Practitioner/7")
    assert (await get(hospital, "Patient", elsewhere)).json()["total"] == 2


async def test_keys_are_fetched_once_and_again_for_one_that_is_new(hospital: Fhir, provider: Provider):
    provider.asked.clear()
    for _ in range(3):
        assert (await get(hospital, "Patient", provider.token(now(hospital)))).status_code == 200
    assert len(provider.asked) == 2
    old = provider.token(now(hospital), jti="old")
    provider.rotate()
    clock: Any = hospital.server.environment.clock
    clock.now += 31_000_000
    assert (await get(hospital, "Patient", provider.token(now(hospital)))).status_code == 200
    assert (await get(hospital, "Patient", old)).status_code == 401
    for _ in range(3):  # a stranger's key ids don't make this server ask each time
        unknown = RSAKey.generate_key(2048, auto_kid=True)
        assert (await get(hospital, "Patient", provider.token(now(hospital), key=unknown))).status_code == 401
    assert len(provider.asked) == 4


NOT_FOR_US_OR_NOT_NOW: list[dict[str, Any]] = [
    {"aud": "https://other.test/fhir"}, {"aud": None}, {"aud": "hms"}, {"iss": "https://evil.test/realm"},
    {"exp": 1}, {"exp": None}, {"exp": "soon"}, {"nbf": 9_999_999_999}, {"iat": 9_999_999_999}, {"sub": None},
    {"typ": "ID"}, {"typ": "Refresh"}, {"nonce": "n"}, {"at_hash": "h"},
]  # fmt: skip


async def test_tokens_that_are_not_for_us_or_not_now(hospital: Fhir, provider: Provider):
    for claims in NOT_FOR_US_OR_NOT_NOW:
        answer = await get(hospital, "Patient", provider.token(now(hospital), **claims))
        assert answer.status_code == 401 and answer.headers["www-authenticate"].startswith("Bearer"), claims


async def test_tokens_that_somebody_else_has_signed(hospital: Fhir, provider: Provider):
    good = provider.token(now(hospital))
    head, body, signature = good.split(".")
    other = RSAKey.generate_key(2048, auto_kid=True)
    strange = {"jku": "http://169.254.169.254/keys", "jwk": dict(other.as_dict(private=False)), "kid": provider.key.kid}
    none = urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    hs = urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": provider.key.kid}).encode()).rstrip(b"=").decode()
    secret = json.dumps(provider.key.as_dict(private=False)).encode()
    mac = urlsafe_b64encode(hmac.digest(secret, f"{hs}.{body}".encode(), "sha256")).rstrip(b"=").decode()
    own = await hospital.server.security.keys.current()
    for token in (
        provider.token(now(hospital), key=other),
        provider.token(now(hospital), header=strange, key=other),
        provider.token(now(hospital), header={"alg": "ES384", "kid": own.kid}, key=own),
        f"{none}.{body}.", f"{hs}.{body}.{mac}", f"{head}.{body}.{signature[:-4]}AAAA", good + "A" * 20_000,
    ):  # fmt: skip
        assert (await get(hospital, "Patient", token)).status_code == 401


async def test_our_own_tokens_still_count_and_those_of_another_issuer_never_stand_for_ours(
    browser: Browser, provider: Provider
):
    token = (await browser.granted("user/Patient.rs"))["access_token"]
    assert (await get(browser.fhir, "Patient", token)).status_code == 200
    forged = provider.token(now(browser.fhir), iss=ORIGIN)
    assert (await get(browser.fhir, "Patient", forged)).status_code == 401


async def begun(browser: Browser, place: str = "/#/Patient") -> dict[str, str]:
    page = await browser.http.get("/auth/sign-in", params={"next": place})
    assert "the hospital’s account" in page.text
    answer = await browser.http.get("/auth/outside", params={"provider": "realm", "next": place})
    assert answer.status_code == 303 and "s3cret" not in answer.headers["location"]
    return query_of(answer.headers["location"])


async def back(browser: Browser, **parameters: str) -> httpx.Response:
    return await browser.http.get("/auth/outside/callback", params=parameters)


async def test_a_person_signs_in_with_an_outside_account(browser: Browser, provider: Provider):
    asked = await begun(browser)
    assert asked["code_challenge_method"] == "S256" and asked["redirect_uri"] == f"{ORIGIN}/auth/outside/callback"
    provider.answer = {"token_type": "Bearer", "access_token": "x"}
    provider.answer["id_token"] = provider.token(now(browser.fhir), aud="hms", nonce=asked["nonce"], azp="hms")
    answer = await back(browser, code="c", state=asked["state"], iss=provider.issuer)
    assert (answer.status_code, answer.headers["location"]) == (303, "/#/Patient")
    assert provider.form["code"] == "c" and len(provider.form["code_verifier"]) >= 43
    who = (await browser.http.get("/auth/session")).json()["user"]
    assert (who["name"], who["roles"]) == ("grace@realm", ["physician"])
    assert (await browser.http.get("/fhir/Patient")).json()["total"] == 2
    again = await back(browser, code="c", state=asked["state"])
    assert again.status_code == 400


async def test_the_provider_is_told_how_an_app_wants_its_people_to_sign_in(browser: Browser) -> None:
    request = browser.request("user/*.rs", prompt="consent login", max_age="60", login_hint="ada@realm")
    answer = await browser.http.get("/auth/outside", params={"provider": "realm", **request})
    asked = query_of(answer.headers["location"])
    assert (asked["prompt"], asked["max_age"], asked["login_hint"]) == ("login", "60", "ada@realm")


async def test_an_app_goes_on_after_an_outside_sign_in(browser: Browser, provider: Provider):
    request = browser.request("user/Patient.rs")
    answer = await browser.http.get("/auth/outside", params={"provider": "realm", **request})
    asked = query_of(answer.headers["location"])
    provider.answer = {"access_token": "x", "token_type": "Bearer"}
    provider.answer["id_token"] = provider.token(now(browser.fhir), aud="hms", nonce=asked["nonce"], azp="hms")
    answer = await back(browser, code="c", state=asked["state"])
    page = await browser.http.get(answer.headers["location"])
    said = told(await browser.submit(page, "/auth/decide", decision="allow"))
    assert (await browser.token(said["code"])).json()["scope"] == "user/Patient.rs"


DO_NOT_HOLD: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"nonce": "another"}, {}), ({"aud": "phone"}, {}), ({"aud": ["hms", "phone"], "azp": None}, {}),
    ({"exp": 1}, {}), ({"realm_access": {"roles": ["other"]}}, {}), ({"iss": "https://evil.test"}, {}),
    ({}, {"state": "guessed"}), ({}, {"state": "é"}), ({}, {"iss": "https://evil.test"}), ({}, {"code": ""}),
    ({}, {"error": "access_denied", "code": ""}),
]  # fmt: skip


async def test_answers_of_a_provider_that_do_not_hold(browser: Browser, provider: Provider):
    for claims, parameters in DO_NOT_HOLD:
        asked = await begun(browser)
        said = {"aud": "hms", "nonce": asked["nonce"], "azp": "hms", **claims}
        token = provider.token(now(browser.fhir), **said)
        provider.answer = {"access_token": "x", "token_type": "Bearer", "id_token": token}
        sent = {"code": "c", "state": asked["state"], **parameters}
        answer = await back(browser, **{name: value for name, value in sent.items() if value})
        assert answer.status_code in (401, 403) and "hms_session" not in browser.http.cookies, (claims, parameters)


async def test_the_log_tells_why_a_provider_signed_nobody_in(browser: Browser, provider: Provider):
    with capture_logs() as lines:
        asked = await begun(browser)
        refused = {"error": "invalid_scope", "error_description": "Invalid scopes: openid profile"}
        assert (await back(browser, state=asked["state"], **refused)).status_code == 401
        asked = await begun(browser)
        provider.answer = {"error": "unauthorized_client", "error_description": "Invalid client credentials"}
        assert (await back(browser, code="c", state=asked["state"])).status_code == 401
    told = [(line["provider"], line["description"]) for line in lines if "sign-in failed" in line["event"]]
    assert [name for name, _ in told] == ["realm", "realm"]
    assert told[0][1] == refused["error_description"] and "Invalid client credentials" in told[1][1]


async def test_a_closed_account_stays_out(browser: Browser, provider: Provider):
    import msgspec

    await test_a_person_signs_in_with_an_outside_account(browser, provider)
    store = browser.fhir.server.security.store
    (user,) = [each for each in await store.users() if each.provider]
    await store.put_user(msgspec.structs.replace(user, active=False))
    assert (await get(browser.fhir, "Patient", provider.token(now(browser.fhir)))).status_code == 401
    assert (await browser.http.get("/fhir/Patient")).status_code == 401


async def test_an_account_has_no_password_here(browser: Browser, provider: Provider):
    await test_a_person_signs_in_with_an_outside_account(browser, provider)
    browser.http.cookies.clear()
    page = await browser.http.get("/auth/sign-in")
    assert (await browser.sign_in(page, "grace@realm", "")).status_code == 401


A = '[[provider]]\nname = "a"\nissuer = "https://a.test"\n'
WRONG = [
    '[[provider]]\nname = "a"\nissuer = "http://evil.test"', f'{A}algorithms = ["HS256"]', f'{A}algorithms = ["none"]',
    f'{A}scopse = "x"', f'{A}most_scopes = "user/all"', f'{A}client_secret_file = "/none"', A + A, "[[provider",
]  # fmt: skip


async def test_a_file_that_can_not_be_used_is_told(tmp_path: Path):
    file = tmp_path / "openid.toml"
    for wrong in WRONG:
        file.write_text(wrong)
        with pytest.raises(FhirError, match=r"can't be used|the same name"):
            load(str(file))


async def stored_subscription(fhir: Fhir, id: str, token: str) -> None:
    content = {"resourceType": "Subscription", "id": id, "status": "requested", "reason": "x",
               "criteria": "Observation", "channel": {"type": "websocket"}}  # fmt: skip
    answer = await fhir.put(f"Subscription/{id}", content, authorization=f"Bearer {token}")
    assert answer.status_code in (200, 201), answer.text


def everybody(fhir: Fhir) -> Maker:
    """Asks with a token of now."""
    return Maker(fhir, "everybody", "system/*.cruds")


async def test_a_subscription_of_an_outside_account_ends_some_days_after_its_token(
    hospital: Fhir, provider: Provider
) -> None:
    clock: Any = hospital.server.environment.clock
    scope = "user/Subscription.cruds user/Observation.rs"
    await stored_subscription(hospital, "s", provider.token(now(hospital), scope=scope))
    await became(everybody(hospital), "s", "active")
    clock.now += 29 * 86_400_000_000
    await stored_subscription(hospital, "s", provider.token(now(hospital), scope=scope))
    clock.now += 29 * 86_400_000_000
    await everybody(hospital)("Observation/o1", "PUT", observation("o1", "me"))
    await asyncio.sleep(0.1)
    await became(everybody(hospital), "s", "active")
    clock.now += 2 * 86_400_000_000
    await everybody(hospital)("Observation/o2", "PUT", observation("o2", "me"))
    assert "30 days ago" in (await became(everybody(hospital), "s", "error"))["error"]
    await stored_subscription(hospital, "s", provider.token(now(hospital), scope=scope))
    await became(everybody(hospital), "s", "active")


async def test_so_does_one_by_a_token_that_this_server_gave_to_such_an_account(
    hospital: Fhir, provider: Provider
) -> None:
    people = hospital.server.security.store
    for name, issuer in (("outside", provider.issuer), ("inside", "")):
        await people.put_user(User(id=name, name=name, fhir_user="Practitioner/doc", provider=issuer))
        kept = await Maker(hospital, name, "user/*.cruds", name)._granted()
        await stored_subscription(hospital, name, kept["authorization"].removeprefix("Bearer "))
        await became(everybody(hospital), name, "active")
    clock: Any = hospital.server.environment.clock
    clock.now += 31 * 86_400_000_000
    await everybody(hospital)("Observation/o1", "PUT", observation("o1", "me"))
    await became(everybody(hospital), "outside", "error")
    await became(everybody(hospital), "inside", "active")
