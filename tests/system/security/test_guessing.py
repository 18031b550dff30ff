"""Whoever guesses passwords is slowed down, and keeps nobody out where they signed in before."""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

import httpx
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.security.places import browser_of, network_of
from tests.conftest import Fhir
from tests.system.security.conftest import ORIGIN, PASSWORD, Browser

pytestmark = pytest.mark.anyio

HOME, HERE, ELSEWHERE = "192.0.2.7", "198.51.100.9", "203.0.113.{}"
At = Callable[..., Browser]


@pytest.fixture
async def at(hospital: Fhir) -> AsyncIterator[At]:
    """Browsers at addresses, of which nobody has signed in before."""
    made: list[Browser] = []
    app = cast(httpx.ASGITransport, hospital.http._transport).app

    def at(address: str) -> Browser:
        browser = Browser(hospital)
        transport = httpx.ASGITransport(app, client=(address, 1))
        browser.http = httpx.AsyncClient(transport=transport, base_url=ORIGIN)
        made.append(browser)
        return browser

    yield at
    for each in made:
        await each.http.aclose()


async def signing_in(browser: Browser, password: str = PASSWORD, name: str = "doc") -> int:
    """The status of a try; 200 signs in."""
    page = await browser.http.get("/auth/sign-in")
    return (await browser.submit(page, "/auth/sign-in", name=name, password=password)).status_code


async def guessed(browser: Browser, times: int, name: str = "doc") -> list[int]:
    return [await signing_in(browser, "a wrong password", name) for _ in range(times)]


async def test_guessing_passwords_is_slowed_down(browser: Browser) -> None:
    page = await browser.authorize("user/*.rs")
    for _ in range(5):
        page = await browser.sign_in(page, password="wrong password 123")
        assert page.status_code == 401
    page = await browser.sign_in(page)
    assert page.status_code == 429 and "seconds" in page.text
    clock: Any = browser.fhir.server.environment.clock
    clock.now += 40_000_000
    assert "asks for access" in (await browser.sign_in(page)).text


async def test_a_person_signs_in_however_the_keyboard_composes_accents(browser: Browser) -> None:
    password = "Müllers Kätzchen"
    await browser.fhir.server.security.add_user("José", password, "Practitioner/doc")
    decomposed = [unicodedata.normalize("NFD", text) for text in ("josé", password)]
    assert "asks for access" in (await browser.sign_in(await browser.authorize("user/*.rs"), *decomposed)).text
    with pytest.raises(FhirError, match="already"):
        await browser.fhir.server.security.add_user(unicodedata.normalize("NFD", "José"), password)


async def test_guesses_that_come_at_once_are_no_more_than_those_one_after_the_other(browser: Browser) -> None:
    page = await browser.authorize("user/*.rs")
    guesses = [*(f"a wrong password {n}" for n in range(30)), PASSWORD]
    answers = await asyncio.gather(*(browser.sign_in(page, "doc", guess) for guess in guesses))
    codes = [answer.status_code for answer in answers]
    assert codes[-1] == 429 and codes.count(401) == 5


async def test_whoever_guesses_keeps_the_user_out_nowhere_else(at: At) -> None:
    assert await guessed(at(HERE), 7) == [401] * 5 + [429] * 2
    assert await signing_in(at(HOME)) == 200
    assert await signing_in(at(HERE)) == 429


async def test_guesses_from_many_addresses_wait_at_all_new_ones(at: At) -> None:
    statuses = [await signing_in(at(ELSEWHERE.format(number)), "a wrong password") for number in range(25)]
    assert statuses == [401] * 20 + [429] * 5
    assert await signing_in(at(HOME)) == 429  # nobody can tell the user at a new place from whoever guesses
    clock: Any = at(HOME).fhir.server.environment.clock
    clock.now += 31_000_000
    assert await signing_in(at(HOME)) == 200
    clock.now += 3_600_000_000  # a success begins nothing anew, and the waits grow
    for wait in (60, 120, 240, 480, 900, 900):
        assert await guessed(at(HERE), 2) == [401, 429]
        clock.now += (wait - 1) * 1_000_000
        assert await guessed(at(HERE), 1) == [429]
        clock.now += 2_000_000
    clock.now += 24 * 3_600_000_000
    assert await guessed(at(ELSEWHERE.format(99)), 2) == [401, 401]


async def test_where_the_user_signed_in_before_nobody_keeps_them_out(at: At) -> None:
    own = at(HOME)
    assert await signing_in(own) == 200
    own.http.cookies.delete("hms_session")
    for number in range(25):
        await signing_in(at(ELSEWHERE.format(number)), "a wrong password")
    assert await signing_in(at(HOME)) == 200  # an address that is known
    assert await guessed(at(HOME), 60) == [401] * 5 + [429] * 55
    for number in range(60):
        await guessed(at(HOME), 1, f"nobody-{number}")
    assert await signing_in(at(HOME), name="ada") == 429  # the address as a whole waits
    assert await signing_in(own) == 200  # a browser that is known does not
    moved = at(HERE)
    moved.http.cookies = own.http.cookies
    assert await signing_in(moved) == 200


async def test_a_browser_that_is_known_waits_for_its_own_guesses_at_that_name_only(at: At) -> None:
    own = at(HOME)
    assert await signing_in(own) == 200
    assert await guessed(own, 7) == [401] * 5 + [429] * 2
    assert await signing_in(own) == 429
    assert await signing_in(own, name="ada") == 200
    assert await guessed(at(HERE), 1) == [401]


async def test_a_browser_is_known_for_whom_it_signed_in_until_the_password_changes(at: At) -> None:
    own, server = at(HOME), at(HOME).fhir.server
    assert await signing_in(own, name="ada") == 200
    for number in range(20):
        await signing_in(at(ELSEWHERE.format(number)), "a wrong password")
    moved = at(HERE)
    moved.http.cookies = own.http.cookies
    assert await signing_in(moved) == 429
    assert await signing_in(moved, name="ada") == 200
    ada = await server.security.store.user("u-ada")
    assert ada is not None
    await server.security.change_user(ada, {}, "another long password")
    for number in range(20):
        await signing_in(at(ELSEWHERE.format(number)), "a wrong password", "ada")
    assert await signing_in(moved, "another long password", "ada") == 429


async def test_a_passkey_is_asked_for_where_passwords_were_guessed(at: At) -> None:
    for number in range(60):
        await guessed(at(HERE), 1, f"nobody-{number}")
    assert await guessed(at(HERE), 1) == [429]
    asked = await at(HERE).http.post("/auth/passkeys/ask", json={}, headers={"x-hms-page": "1"})
    assert asked.status_code == 200 and asked.json()["challenge"]


async def test_addresses_of_one_ipv6_network_are_one(at: At) -> None:
    statuses = [await signing_in(at(f"2001:db8:0:1::{number:x}"), "a wrong password") for number in range(1, 8)]
    assert statuses == [401] * 5 + [429] * 2
    assert await signing_in(at("2001:db8:0:2::1")) == 200


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"), ("::ffff:192.0.2.7", "192.0.2.7"), ("2001:db8:0:1:ffff::1", "2001:db8:0:1::"),
        ("fe80::1%eth0", "fe80::"), ("::1", "::"), ("", ""), ("unix:/run/x", "unix:/run/x"),
    ],
)  # fmt: skip
def test_by_which_network_a_caller_is_counted(address: str, network: str) -> None:
    assert network_of(address) == network


def test_a_cookie_that_no_browser_was_given_is_not_taken() -> None:
    known = browser_of("")
    assert browser_of(known) == known
    for other in ("x", known + "\n", known + "x", "a b" * 15, "é" * 43):
        assert browser_of(other) not in (other, known)
