"""What somebody had before an administrator changed the account has ended."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.security import passwords
from tests.system.security.conftest import BASE, PASSWORD, Browser

pytestmark = pytest.mark.anyio
OTHER = "a quite different one"


async def test_tokens_and_sign_ins_of_before_end_with_a_change(browser: Browser):
    security = browser.fhir.server.security
    given = await browser.granted("user/*.rs offline_access")
    bearer = {"authorization": f"Bearer {given['access_token']}"}
    refresh = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "client_id": browser.client_id}
    assert (await browser.http.get("/fhir/Patient", headers=bearer)).status_code == 200

    await security.change_user(await security.store.user_named("doc"), {"roles": ("nurse",)}, OTHER)

    assert (await browser.http.get("/fhir/Patient", headers=bearer)).status_code == 401
    assert (await browser.http.post("/auth/token", data=refresh)).json()["error"] == "invalid_grant"
    page = await browser.authorize("user/*.rs")
    assert 'action="/auth/sign-in"' in page.text
    assert 'action="/auth/sign-in"' in (await browser.sign_in(page, password=PASSWORD)).text
    agreeing = await browser.sign_in(page, password=OTHER)
    assert 'action="/auth/decide"' in agreeing.text
    code = (await browser.allow(agreeing))["code"]
    assert (await security.access((await browser.token(code)).json()["access_token"], BASE)).roles == ("nurse",)


async def test_a_password_that_is_changed_while_it_is_checked_signs_nobody_in(browser: Browser):
    security = browser.fhir.server.security
    signing = asyncio.create_task(security.sign_in("doc", PASSWORD, "", "127.0.0.1", ""))
    await asyncio.sleep(0)  # its hash is being made now, which takes a while
    await security.store.change_user(
        "u-doc", lambda user: msgspec.structs.replace(user, password=passwords.hashed(OTHER))
    )
    with pytest.raises(FhirError, match="The name, the password or the code is wrong"):
        await signing


async def test_who_is_closed_does_not_sign_in(browser: Browser):
    security = browser.fhir.server.security
    await security.change_user(await security.store.user_named("doc"), {"active": False})
    page = await browser.sign_in(await browser.authorize("user/*.rs"))
    assert page.status_code == 401 and 'action="/auth/sign-in"' in page.text
