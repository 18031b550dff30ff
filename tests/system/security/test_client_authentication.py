"""A client proves who it is: others neither keep it out nor are held up by it."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from typing import Any

import httpx
import pytest

from fhir_server.security import passwords
from fhir_server.security.client_authentication import ASSERTION
from fhir_server.security.model import Client
from tests.conftest import Fhir
from tests.system.security.conftest import ORIGIN, REDIRECT, Browser
from tests.system.security.test_attacks import Service, segment

pytestmark = pytest.mark.anyio


async def test_nobody_keeps_a_client_out_by_assertions_in_its_name(hospital: Fhir) -> None:
    service = await Service(hospital).registered()
    forger = Service(hospital)
    forged = [await service.token(assertion) for assertion in [forger.assertion() for _ in range(60)] + ["x.y.z"] * 3]
    assert {answer.status_code for answer in forged} == {401}
    assert (await service.token(service.assertion())).status_code == 200
    _, secret = await hospital.server.security.add_client(
        Client(id="conf", name="C", scopes="system/*.rs", grants=("client_credentials",)), confidential=True
    )
    form = {"grant_type": "client_credentials", "scope": "system/Patient.rs"}
    for _ in range(50):  # guesses at secrets hold up whoever shows one there
        await hospital.server.security.throttle.failed("address:127.0.0.1")
    waits = await hospital.http.post(f"{ORIGIN}/auth/token", data=form, auth=("conf", secret))
    assert waits.status_code == 429
    assert (await service.token(service.assertion())).status_code == 200


async def test_how_many_assertions_an_address_shows_is_bounded(hospital: Fhir) -> None:
    service = await Service(hospital).registered()
    hospital.server.security.rate._most = 5
    answers = [await service.token(Service(hospital).assertion()) for _ in range(8)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429] * 3


async def test_secrets_and_passwords_are_hashed_while_others_are_answered(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    made_in, scrypt = [], passwords._scrypt

    def told(*arguments: Any) -> bytes:
        made_in.append(threading.current_thread())
        return scrypt(*arguments)

    monkeypatch.setattr(passwords, "_scrypt", told)
    metadata = {"redirect_uris": [REDIRECT], "token_endpoint_auth_method": "client_secret_basic"}
    made = (await browser.http.post("/auth/register", json=metadata)).json()
    for name, secret in ((made["client_id"], made["client_secret"]), (made["client_id"], "wrong"), ("nobody", "x")):
        await browser.http.post("/auth/token", data={"grant_type": "x"}, auth=(name, secret))
    await browser.sign_in(await browser.authorize("user/*.rs"))
    assert len(made_in) == 5 and threading.main_thread() not in made_in


async def test_guesses_of_a_secret_that_come_at_once_are_no_more_than_those_in_turn(browser: Browser) -> None:
    client = Client(id="conf", name="C", scopes="system/*.rs", grants=("client_credentials",))
    _, secret = await browser.fhir.server.security.add_client(client, confidential=True)
    form = {"grant_type": "client_credentials", "scope": "system/*.rs"}
    guesses = [browser.http.post("/auth/token", data=form, auth=("conf", each)) for each in [*"abcdefghijkl", secret]]
    codes = [answer.status_code for answer in await asyncio.gather(*guesses)]
    assert codes[-1] == 429 and codes.count(401) == 5


@pytest.mark.parametrize("issuer", ["\ud800", "\x00", "a" * 9000, ["service"], {"service": 1}, None])
async def test_an_assertion_of_an_issuer_that_can_not_be_is_refused(hospital: Fhir, issuer: Any) -> None:
    said = base64.urlsafe_b64encode(json.dumps({"iss": issuer}).encode()).decode().rstrip("=")
    answer = await Service(hospital).token(f"{segment({'alg': 'ES384'})}.{said}.AAAA")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


async def test_a_client_proves_who_it_is_in_one_way(hospital: Fhir) -> None:
    service = await Service(hospital).registered()
    add = hospital.server.security.add_client
    _, secret = await add(Client(id="conf", name="C", grants=("client_credentials",)), confidential=True)
    basic, form = httpx.BasicAuth("conf", secret), {"grant_type": "client_credentials", "scope": "system/Patient.rs"}
    assertion = {"client_assertion": service.assertion(), "client_assertion_type": ASSERTION}
    url = f"{ORIGIN}/auth/token"
    for more in ({"client_secret": secret}, assertion):
        answer = await hospital.http.post(url, data=form | more, auth=basic)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    both = await hospital.http.post(url, data=form | assertion | {"client_secret": secret})
    assert (both.status_code, both.json()["error"]) == (400, "invalid_request")
    other = await hospital.http.post(url, data=form | {"client_id": "app"}, auth=basic)
    assert (other.status_code, other.json()["error"]) == (401, "invalid_client")
