"""An authenticator app and its recovery codes; passkeys as a software authenticator makes and shows them."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import httpx
import pytest
from cbor2 import dumps
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from fhir_server.security import totp
from tests.system.security.conftest import ORIGIN, PASSWORD, Browser
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio
OWN = {"x-hms-page": "1"}


async def sign_in(browser: Browser, code: str = "") -> httpx.Response:
    browser.http.cookies.clear()
    page = await browser.http.get("/auth/sign-in")
    return await browser.submit(page, "/auth/sign-in", name="doc", password=PASSWORD, code=code)


def code_now(browser: Browser, secret: str) -> str:
    clock: Any = browser.fhir.server.environment.clock
    clock.now += totp.STEP
    return totp.code_at(secret, clock() // totp.STEP)


async def set_up(browser: Browser) -> tuple[str, list[str]]:
    await sign_in(browser)
    page = await browser.http.get("/auth/totp")
    assert "<svg" in page.text
    secret = re.findall(r'name="secret" value="(\w+)"', page.text)[0]
    wrong = await browser.submit(page, "/auth/totp", code="000000")
    assert wrong.status_code == 400 and secret in wrong.text
    done = await browser.submit(wrong, "/auth/totp", code=code_now(browser, secret))
    return secret, re.findall(r"<code>([0-9a-f-]+)</code>", done.text)


async def test_a_code_of_the_app_is_asked_for_once_it_is_set_up(browser: Browser) -> None:
    secret, _ = await set_up(browser)
    assert (await sign_in(browser)).status_code == 401
    shown = totp.code_at(secret, browser.fhir.server.environment.clock() // totp.STEP)
    assert (await sign_in(browser, shown)).status_code == 401  # the one that it was set up with
    code = code_now(browser, secret)
    assert "Signed in at" in (await sign_in(browser, code)).text
    assert (await sign_in(browser, code)).status_code == 401  # each code counts once


async def test_whatever_stands_for_the_code_the_answer_does_not_tell_whether_the_password_was_right(
    browser: Browser,
) -> None:
    await set_up(browser)
    for code in ("", "é", "\u0661\u0662\u0663\u0664\u0665\u0666"):
        answer = await sign_in(browser, code)
        assert (answer.status_code, "is wrong" in answer.text) == (401, True), code


async def test_each_recovery_code_lets_in_once(browser: Browser) -> None:
    _, codes = await set_up(browser)
    assert len(codes) == 10
    assert "Signed in at" in (await sign_in(browser, codes[3].upper())).text
    assert (await sign_in(browser, codes[3])).status_code == 401


async def test_the_app_is_done_without_by_showing_its_code(browser: Browser) -> None:
    secret, _ = await set_up(browser)
    await sign_in(browser, code_now(browser, secret))
    page = await browser.http.get("/auth/account")
    page = await browser.submit(page, "/auth/totp/end", code="123456")
    assert page.status_code == 400
    page = await browser.submit(page, "/auth/totp/end", code=code_now(browser, secret))
    assert "Set up an authenticator app" in page.text


async def test_what_is_changed_of_an_account_is_in_the_audit_log(browser: Browser) -> None:
    secret, _ = await set_up(browser)
    await sign_in(browser, code_now(browser, secret))
    page = await browser.http.get("/auth/account")
    page = await browser.submit(page, "/auth/totp/end", code="123456")
    page = await browser.submit(page, "/auth/totp/end", code=code_now(browser, secret))
    await browser.submit(page, "/auth/end", session="none-of-mine")
    await added(browser)
    made = await browser.http.post("/auth/register", json={"redirect_uris": ["https://a.test/"]})
    kept = await Asking(browser.fhir, "user/AuditEvent.rs")("AuditEvent?subtype=110137")
    found = [each["resource"] for each in reversed(kept.json()["entry"])]
    assert [(each["entity"][0]["what"]["display"], each["outcome"]) for each in found] == [
        ("auth/totp", "0"), ("auth/totp/end", "4"), ("auth/totp/end", "0"), ("auth/end", "0"),
        ("auth/passkeys/add", "0"), ("auth/register", "0"),
    ]  # fmt: skip
    assert {each["agent"][2]["altId"] for each in found[:-1]} == {"u-doc"}
    assert found[-1]["agent"][0]["who"]["identifier"]["value"] == made.json()["client_id"]


async def test_a_browser_left_alone_gets_no_factor(browser: Browser) -> None:
    await sign_in(browser)
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 1_000_000_000
    assert (await browser.http.get("/auth/totp")).headers["location"].startswith("/auth/sign-in")
    assert (await browser.http.post("/auth/passkeys/offer", json={}, headers=OWN)).status_code == 401


class Authenticator:
    """What a security key does (https://www.w3.org/TR/webauthn-3/#sctn-authenticator-data)."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.id = b"credential-of-a-test"
        self.count = 0

    def data(self, flags: int, site: str, more: bytes = b"") -> bytes:
        self.count += 1
        return hashlib.sha256(site.encode()).digest() + struct.pack(">BI", flags, self.count) + more

    def make(
        self, challenge: str, site: str = "fhir.test", origin: str = ORIGIN, flags: int = 0x45, **said_too: Any
    ) -> dict[str, Any]:
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        more = bytes(16) + struct.pack(">H", len(self.id)) + self.id + dumps(cose)
        attested = dumps({"fmt": "none", "attStmt": {}, "authData": self.data(flags, site, more)})
        said = client_data({"type": "webauthn.create", "challenge": challenge, "origin": origin, **said_too})
        return self.credential(clientDataJSON=said, attestationObject=attested)

    def show(
        self,
        challenge: str,
        user: str,
        site: str = "fhir.test",
        origin: str = ORIGIN,
        flags: int = 0x05,
        **said_too: Any,
    ) -> dict[str, Any]:
        data = self.data(flags, site)
        said = client_data({"type": "webauthn.get", "challenge": challenge, "origin": origin, **said_too})
        signature = self.key.sign(data + hashlib.sha256(said).digest(), ec.ECDSA(hashes.SHA256()))
        return self.credential(
            clientDataJSON=said, authenticatorData=data, signature=signature, userHandle=user.encode()
        )

    def credential(self, **parts: bytes) -> dict[str, Any]:
        response = {name: text(value) for name, value in parts.items()}
        return {"id": text(self.id), "rawId": text(self.id), "type": "public-key", "response": response}


def text(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")


def client_data(said: dict[str, Any]) -> bytes:
    return json.dumps({"crossOrigin": False, **said}).encode()


async def post(browser: Browser, path: str, body: Any, **headers: str) -> httpx.Response:
    return await browser.http.post(f"/auth/passkeys/{path}", json=body, headers={**OWN, **headers})


async def added(browser: Browser) -> Authenticator:
    await sign_in(browser)
    authenticator = Authenticator()
    offered = (await post(browser, "offer", {})).json()
    assert urlsafe_b64decode(offered["user"]["id"] + "==") == b"u-doc" and offered["rp"]["id"] == "fhir.test"
    credential = authenticator.make(offered["challenge"])
    assert (await post(browser, "add", {"credential": credential, "name": "key"})).status_code == 201
    assert (await post(browser, "add", {"credential": credential})).status_code == 400  # a challenge counts once
    browser.http.cookies.clear()
    return authenticator


async def test_a_passkey_signs_in(browser: Browser) -> None:
    authenticator = await added(browser)
    asked = (await post(browser, "ask", {})).json()
    shown = {"credential": authenticator.show(asked["challenge"], "u-doc"), "fields": {"next": "/#/Patient"}}
    answer = await post(browser, "sign-in", shown)
    assert (answer.status_code, answer.json()["location"]) == (200, "/#/Patient")
    assert (await browser.http.get("/fhir/Patient")).json()["total"] == 2
    page = await browser.http.get("/auth/account")
    await browser.submit(page, "/auth/end", passkey=text(authenticator.id))
    assert [each.passkeys for each in await browser.fhir.server.security.store.users()] == [(), ()]


async def test_passkeys_that_are_not_believed(browser: Browser) -> None:
    authenticator = await added(browser)
    evil: list[dict[str, Any]] = [
        {"origin": "https://evil.test"}, {"site": "evil.test"}, {"flags": 0x01}, {"flags": 0x04}, {"user": "u-ada"},
        {"type": "webauthn.create"},
    ]  # fmt: skip
    for more in evil:
        challenge = (await post(browser, "ask", {})).json()["challenge"]
        shown = authenticator.show(challenge, **{"user": "u-doc", **more})
        assert (await post(browser, "sign-in", {"credential": shown})).status_code == 401, more
    challenge = (await post(browser, "ask", {})).json()["challenge"]
    cloned = Authenticator()
    cloned.key, cloned.count = authenticator.key, 0
    assert (await post(browser, "sign-in", {"credential": cloned.show(challenge, "u-doc")})).status_code == 401
    challenge = (await post(browser, "ask", {})).json()["challenge"]
    authenticator.count = 0  # 1 was counted when it was made
    assert (await post(browser, "sign-in", {"credential": authenticator.show(challenge, "u-doc")})).status_code == 401
    challenge = (await post(browser, "ask", {})).json()["challenge"]
    framed = authenticator.show(challenge, "u-doc", crossOrigin=True)
    assert (await post(browser, "sign-in", {"credential": framed})).status_code == 400
    said = text(json.dumps({"challenge": "\ud800"}).encode())
    assert (await post(browser, "sign-in", {"credential": {"response": {"clientDataJSON": said}}})).status_code == 400
    for nonsense in ({}, {"credential": 1}, {"credential": {"response": {"clientDataJSON": "e30"}}}, [], None):
        assert (await post(browser, "sign-in", nonsense)).status_code == 400, nonsense
    assert "hms_session" not in browser.http.cookies


async def test_a_challenge_is_for_one_answer_of_one_kind_by_one_user(browser: Browser) -> None:
    authenticator = await added(browser)
    asked = (await post(browser, "ask", {})).json()["challenge"]
    assert (await post(browser, "sign-in", {"credential": authenticator.show(asked, "u-doc")})).status_code == 200
    browser.http.cookies.clear()
    assert (await post(browser, "sign-in", {"credential": authenticator.show(asked, "u-doc")})).status_code == 400
    late = (await post(browser, "ask", {})).json()["challenge"]
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 301_000_000
    assert (await post(browser, "sign-in", {"credential": authenticator.show(late, "u-doc")})).status_code == 400
    await sign_in(browser)
    offered = (await post(browser, "offer", {})).json()["challenge"]
    assert (await post(browser, "sign-in", {"credential": authenticator.show(offered, "u-doc")})).status_code == 400
    of_doc, asked = (await post(browser, "offer", {})).json()["challenge"], (await post(browser, "ask", {})).json()
    assert (await post(browser, "add", {"credential": Authenticator().make(asked["challenge"])})).status_code == 400
    browser.http.cookies.clear()
    page = await browser.http.get("/auth/sign-in")
    await browser.submit(page, "/auth/sign-in", name="ada", password=PASSWORD)
    assert (await post(browser, "add", {"credential": Authenticator().make(of_doc)})).status_code == 400
    assert [len(each.passkeys) for each in await browser.fhir.server.security.store.users()] == [0, 1]


NOT_OF_THIS_SITE = [
    {"origin": "https://evil.test"}, {"origin": "http://fhir.test.evil.test"}, {"origin": "http://fhir.test:8080"},
    {"site": "evil.test"}, {"flags": 0x41}, {"flags": 0x44}, {"type": "webauthn.get"}, {"crossOrigin": True},
    {"challenge": "\ud800"},
]  # fmt: skip


@pytest.mark.parametrize("more", NOT_OF_THIS_SITE, ids=str)
async def test_a_passkey_that_was_made_elsewhere_is_not_added(browser: Browser, more: dict[str, Any]) -> None:
    await sign_in(browser)
    challenge = (await post(browser, "offer", {})).json()["challenge"]
    made = Authenticator().make(**{"challenge": challenge, **more})
    assert (await post(browser, "add", {"credential": made})).status_code == 400
    assert [each.passkeys for each in await browser.fhir.server.security.store.users()] == [(), ()]


async def test_another_sites_page_can_not_have_a_passkey_shown(browser: Browser) -> None:
    assert (await browser.http.post("/auth/passkeys/ask", json={})).status_code == 403
    assert (await post(browser, "ask", {}, **{"sec-fetch-site": "cross-site"})).status_code == 403
