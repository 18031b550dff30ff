"""A sign-in's cookie at the server's own pages: what it lets a browser do, what it must not, and how it ends."""

from typing import Any

import pytest

from tests.system.security.conftest import PASSWORD, Browser

pytestmark = pytest.mark.anyio

OWN = {"x-hms-page": "1"}


async def signed_in(browser: Browser, name: str = "doc", place: str = "/#/Patient"):
    page = await browser.http.get("/auth/sign-in", params={"next": place})
    fields = {"name": name, "password": PASSWORD, "next": place, "form": page.text.split('name="form" value="')[1][:64]}
    return await browser.http.post("/auth/sign-in", data=fields)


async def test_the_cookie_is_for_our_own_pages_alone(browser: Browser) -> None:
    answer = await signed_in(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/#/Patient")
    (kept,) = [each for each in answer.headers.get_list("set-cookie") if each.startswith("hms_page=")]
    assert "HttpOnly" in kept and "SameSite=Strict" in kept and "Path=/;" in kept
    assert (await browser.http.get("/fhir/Patient")).json()["total"] == 2
    for site in ("cross-site", "same-site"):
        assert (await browser.http.get("/fhir/Patient", headers={"sec-fetch-site": site})).status_code == 403


async def test_no_browser_or_proxy_keeps_what_was_answered(browser: Browser) -> None:
    await signed_in(browser)
    for path in ("Patient/me", "Patient/me/_history/1", "Patient", "Patient/none", "Binary/scan", "$export"):
        answer = await browser.http.get(f"/fhir/{path}")
        assert "no-store" in answer.headers["cache-control"], path
    assert "cache-control" not in (await browser.http.get("/fhir/metadata")).headers


@pytest.mark.parametrize("format", ["xml", "html"])
async def test_what_is_markup_to_a_browser_is_inert(browser: Browser, format: str) -> None:
    await signed_in(browser)
    for path in ("Patient/me", "Patient", "Patient/none"):
        answer = await browser.http.get(f"/fhir/{path}", params={"_format": format})
        assert format in answer.headers["content-type"]
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'", path


async def test_what_changes_something_needs_the_pages_header(browser: Browser) -> None:
    await signed_in(browser)
    body = {"resourceType": "Patient"}
    assert (await browser.http.post("/fhir/Patient", json=body)).status_code == 403
    assert (await browser.http.delete("/fhir/Patient/other")).status_code == 403
    assert (await browser.http.post("/fhir/Patient", json=body, headers=OWN)).status_code == 201


async def test_no_other_origin_may_send_a_cookie(browser: Browser) -> None:
    asked = {"origin": "https://evil.test", "access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "x-hms-page"
    for path in ("/fhir/Patient", "/auth/sign-out"):
        answer = await browser.http.options(path, headers=asked)
        assert "access-control-allow-credentials" not in answer.headers


async def test_a_sign_in_has_the_reach_of_its_user(browser: Browser) -> None:
    await signed_in(browser, "ada")
    found = (await browser.http.get("/fhir/Observation")).json()
    assert {entry["resource"]["id"] for entry in found["entry"]} == {"mine", "lab"}
    assert (await browser.http.get("/fhir/Patient/other")).status_code == 404


async def test_a_sign_in_ends_by_sign_out_by_time_and_by_idleness(browser: Browser) -> None:
    clock: Any = browser.fhir.server.environment.clock
    secret = ""
    for wait, often in ((0, 1), (3_700, 1), (3_000, 15)):
        await signed_in(browser)
        assert (await browser.http.get("/auth/session")).json()["user"]["name"] == "doc"
        secret = browser.http.cookies.get("hms_page", path="/")
        if wait == 0:
            await browser.http.post("/auth/sign-out", headers=OWN)
        for _ in range(often):
            clock.now += wait * 1_000_000
            answer = await browser.http.get("/fhir/Patient/me", headers={"cookie": f"hms_page={secret}"})
        assert answer.status_code == 401
        assert (await browser.http.get("/auth/session")).json()["user"] is None


async def test_who_uses_a_page_stays_signed_in(browser: Browser) -> None:
    await signed_in(browser)
    clock: Any = browser.fhir.server.environment.clock
    for _ in range(10):
        clock.now += 3_000_000_000
        assert (await browser.http.get("/fhir/Patient/me")).status_code == 200


async def test_a_cookie_does_not_stand_in_for_a_bad_token(browser: Browser) -> None:
    await signed_in(browser)
    for shown in ("Bearer wrong", "Basic ZG9jOng=", "Bearer"):
        answer = await browser.http.get("/fhir/Patient/me", headers={"authorization": shown})
        assert answer.status_code == 401
    statement = await browser.http.get("/fhir/metadata", headers={"cookie": "hms_page=old"})
    assert statement.status_code == 200


@pytest.mark.parametrize(
    "place", ["https://evil.test/", "//evil.test/", "/\\evil.test/", "javascript:alert(1)", "/a b", "/\r\nx: y", ""]
)
async def test_a_sign_in_leads_to_no_other_site(browser: Browser, place: str) -> None:
    assert (await signed_in(browser, place=place)).headers["location"] == "/auth/account"


async def test_a_browser_at_a_resource_is_led_to_the_page_before_it_signs_in(browser: Browser) -> None:
    answer = await browser.http.get("/fhir/Patient/me", headers={"accept": "text/html"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/#/Patient/me")
