"""The workforce's screen in a headless Chromium on a started server: a rota from wish to shift, and time worked."""

import time
from collections.abc import Iterator

import httpx
import pytest

from fhir_server.subsystems.workforce import words
from tests.system.chromium import Chromium, browsing, required
from tests.system.process import Server, serving
from tests.unit.subsystems.workforce.ward import practitioner, role

NURSES = ("anna", "ben", "cleo")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    required()
    with serving(tmp_path_factory.mktemp("served"), "--subsystems", "workforce", "--workers", 1) as server:
        put(server, {"resourceType": "Location", "id": "ward", "name": "Ward 1"})
        for nurse in NURSES:
            put(server, practitioner(nurse))
            put(server, role(nurse))
        yield server


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Iterator[Chromium]:
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        browser.go(f"{server.origin}/workforce/#/people")
        browser.sees("Cleo")
        yield browser


def put(server: Server, resource: dict) -> None:
    url = f"{server.base}/{resource['resourceType']}/{resource['id']}"
    httpx.put(url, json=resource, timeout=60).raise_for_status()


def fill(browser: Chromium, **values: str) -> None:
    """Types into the fields of these names, once they are there."""
    for name, value in values.items():
        field = f"document.querySelector('main [name={name}]')"
        browser.until(f"{field} !== null")
        browser.run(f"{field}.value = {value!r}")
        browser.run(f"{field}.dispatchEvent(new Event('input', {{bubbles: true}}))")


def asked_for(browser: Chromium, server: Server, start: str, shifts: str) -> None:
    browser.go(f"{server.origin}/workforce/#/")
    browser.sees("Ask for a rota")
    fill(browser, ward="Location/ward", start=start, days="1", shifts=shifts)
    browser.press("Ask for it")


def shown(browser: Chromium, text: str, where: str = "main") -> None:
    """Goes to the place again until a text is there."""
    busy = "document.querySelector('main').getAttribute('aria-busy')"
    until = time.monotonic() + 60
    while text not in browser.run(f"document.querySelector({where!r})?.innerText ?? ''"):
        assert time.monotonic() < until, (text, browser.text())
        browser.run("void window.dispatchEvent(new Event('hashchange'))")
        browser.until(f"{busy} === 'false'")


def test_a_rota_is_asked_for_published_swapped_and_overridden(browser: Chromium, server: Server):
    asked_for(browser, server, "2026-10-05", "D 07:00 12 1, N 19:00 12 1")
    browser.sees("everybody who is needed is there")  # by itself, once it is worked out
    browser.press("Publish it")
    shown(browser, "Give a shift to another")
    works = {shift["kind"]: shift["works"][0]["name"] for shift in rota(server)["shifts"]}
    free = next(nurse.title() for nurse in NURSES if nurse.title() not in works.values())
    give(browser, "2026-10-05 07:00 D", works["D"], free, "keep the rules", "child is ill")
    browser.sees("Given.")
    shown(browser, free, "main table")
    give(browser, "2026-10-05 07:00 D", free, works["N"], "keep the rules", "nobody else")
    browser.sees("It would break: rest: less than 11 h")
    give(browser, "2026-10-05 07:00 D", free, works["N"], "override them", "nobody else")
    browser.sees("Given; overridden: rest")
    shown(browser, "(overridden)")
    slots = httpx.get(f"{server.base}/Slot?status=busy&_count=50", timeout=60).json()["entry"]
    overrides = [
        extension["valueString"]
        for entry in slots
        for extension in entry["resource"].get("extension", ())
        if extension["url"] == words.OVERRIDE
    ]
    assert overrides == ["nobody else"]
    assert browser.said == []


def give(browser: Chromium, shift: str, old: str, new: str, rules: str, reason: str) -> None:
    names = {name: f"{name} · PractitionerRole/{name.lower()}-role" for name in (old, new)}
    fill(browser, shift=shift, to=names[new], override=rules, reason=reason)
    fill(browser, **{"from": names[old]})
    browser.press("Give it")


def rota(server: Server) -> dict:
    at = f"{server.origin}/workforce/rotas"
    [published] = [each for each in httpx.get(at, timeout=60).json()["rotas"] if each["state"] == "published"]
    return httpx.get(f"{at}/{published['id']}", timeout=60).json()


def test_a_rota_that_can_not_be_is_work_until_it_is_published_short(browser: Chromium, server: Server):
    asked_for(browser, server, "2026-11-02", "D 07:00 12 4")
    shown(browser, "These rules collide: cover")
    browser.go(f"{server.origin}/workforce/#/work")
    shown(browser, "1 person is missing")
    browser.press("the rota")
    browser.sees("1 missing")
    fill(browser, reason="agency staff comes")
    browser.press("Publish it short")
    shown(browser, "published; 1 person is missing")
    browser.go(f"{server.origin}/workforce/#/work")
    shown(browser, "Nothing has to be looked after.")
    assert browser.said == []


def test_time_is_recorded(browser: Chromium, server: Server):
    browser.go(f"{server.origin}/workforce/#/time")
    fill(browser, role="Ben · PractitionerRole/ben-role", start="2026-10-05T07:00", end="2026-10-05T06:00")
    browser.press("Record it")
    browser.sees("end must be after start")
    fill(browser, end="2026-10-05T15:00")
    browser.press("Record it")
    browser.sees("Recorded.")
    shown(browser, "entry")
    times = httpx.get(f"{server.origin}/workforce/times", timeout=60).json()["times"]
    assert [each["role"] for each in times] == ["PractitionerRole/ben-role"]
    assert browser.said == []
