"""The page, and the screens of the subsystems, at the width of a phone, in a headless Chromium on a started server."""

import time
from collections.abc import Iterator

import httpx
import pytest

from tests.system.chromium import Chromium, browsing, required
from tests.system.process import Server, serving

PLACES = (
    "#/", "#/Patient", "#/Patient?nonesuch=1", "#/Account", "#/Patient/anna", "#/Patient/anna/_history", "#/_history",
    "analytics/#/", "analytics/#/reports", "analytics/#/sql", "analytics/#/trace/Patient%2Fanna",
    "analytics/#/admissions/2026-03",
    "billing/#/", "billing/#/encounters", "billing/#/claims", "billing/#/files", "billing/#/work", "billing/#/payments",
    "billing/#/patients/anna", "billing/#/journal",
    "workforce/#/", "workforce/#/work", "workforce/#/people", "workforce/#/time", "workforce/#/reports",
)  # fmt: skip
RESOURCES = (
    {"resourceType": "Patient", "id": "anna"},
    {"resourceType": "Encounter", "id": "stay-with-an-identifier-as-long-as-they-come", "status": "finished",
     "class": {"code": "IMP"}, "subject": {"reference": "Patient/anna"},
     "period": {"start": "2026-03-01", "end": "2026-03-04"}},
    {"resourceType": "Practitioner", "id": "nurse", "name": [{"family": "Nurse"}]},
    {"resourceType": "PractitionerRole", "id": "role-with-an-identifier-as-long-as-they-come",
     "practitioner": {"reference": "Practitioner/nurse"}},
)  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    required()
    with serving(tmp_path_factory.mktemp("served"), "--subsystems", "analytics,billing,workforce") as server:
        for each in RESOURCES:
            url = f"{server.base}/{each['resourceType']}/{each['id']}"
            httpx.put(url, json=each, timeout=60).raise_for_status()
        until = time.monotonic() + 60
        while not all((written(server), people(server), months(server))) and time.monotonic() < until:
            time.sleep(0.1)
        yield server


def written(server: Server) -> list:
    reports = httpx.get(f"{server.origin}/analytics/reports", timeout=60).json().get("reports", ())
    return [period for report in reports for period in report["written"]]


def people(server: Server) -> list:
    return httpx.get(f"{server.origin}/workforce/people", timeout=60).json().get("people", [])


def months(server: Server) -> list:
    return httpx.get(f"{server.origin}/analytics/indicators/admissions", timeout=60).json().get("months", [])


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    required()
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        browser.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        yield browser


def shown(phone: Chromium, server: Server, place: str) -> None:
    phone.go(f"{server.origin}/pages.json")
    phone.go(f"{server.origin}/{place}")
    phone.until("document.querySelector('main:not([aria-busy=true]):not(:empty)') !== null")


@pytest.mark.parametrize("place", PLACES)
def test_a_screen_is_read_without_scrolling_sideways(phone: Chromium, server: Server, place: str):
    shown(phone, server, place)
    assert "Something went wrong" not in phone.text()
    wide = "[...document.querySelectorAll('html, .scroll')].filter((each) => each.scrollWidth > each.clientWidth)"
    assert phone.run(f"{wide}.map((each) => each.innerText)") == []
    assert phone.said == []


def test_the_tab_that_is_shown_is_in_sight(phone: Chromium, server: Server):
    shown(phone, server, "#/Patient/anna~fhirpath")
    place = "document.querySelector('.tabs [aria-current]').getBoundingClientRect()"
    assert 0 <= phone.run(f"{place}.left") < phone.run(f"{place}.right") <= 390


def test_what_is_said_of_a_criterion_is_read_whole(phone: Chromium, server: Server):
    shown(phone, server, "#/Patient?nonesuch=1")
    said = "document.querySelector('.documentation')"
    assert "does not list this parameter" in phone.run(f"{said}.innerText")
    assert phone.run(f"{said}.scrollWidth <= {said}.clientWidth")


@pytest.mark.parametrize("width", [390, 1280])
def test_a_word_of_any_length_leaves_the_other_columns_in_sight(phone: Chromium, server: Server, width: int):
    worded = {"resourceType": "Person", "id": "worded", "name": [{"text": "n" * 150}], "address": [{"text": "a" * 300}]}
    httpx.put(f"{server.base}/Person/worded", json=worded, timeout=60).raise_for_status()
    phone.call("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=1, mobile=width < 400)
    shown(phone, server, "#/Person")
    frames = "[...document.querySelectorAll('.table-frame, .table-frame :is(th, td)')]"
    wide = f"{frames}.filter((each) => each.clientWidth && each.scrollWidth > each.clientWidth)"
    assert phone.run(f"{wide}.map((each) => each.outerHTML.slice(0, 99))") == []
    phone.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)


def test_the_dashboard_moves_with_the_lake(phone: Chromium, server: Server):
    shown(phone, server, "analytics/#/")
    newest = "document.querySelector('section[aria-label=Admissions] strong')?.innerText"
    assert phone.run(newest) == "1"
    encounter = {**RESOURCES[1], "id": "another-stay"}
    httpx.put(f"{server.base}/Encounter/another-stay", json=encounter, timeout=60).raise_for_status()
    phone.until(f"{newest} === '2'")
    phone.go(f"{server.origin}/analytics/#/admissions/2026-03")
    phone.press("Trace it")
    phone.sees("Encounter/another-stay")
    assert phone.said == []


@pytest.mark.parametrize("place", ["analytics/#/reports", "billing/#/journal"])
def test_the_files_of_a_screen_are_fetched_by_its_links(phone: Chromium, server: Server, place: str):
    shown(phone, server, place)
    links = phone.run("[...document.querySelectorAll('main a')].map((each) => each.href)")
    files = [each for each in links if each.endswith((".csv", ".pdf"))]
    assert files
    for each in files:
        assert httpx.get(each, timeout=60).status_code == 200


def test_a_server_that_is_away_is_told(phone: Chromium, server: Server):
    conditions = {"latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    shown(phone, server, "billing/#/")
    phone.call("Network.emulateNetworkConditions", offline=True, **conditions)
    try:
        phone.press("Payments")
        phone.sees("Is the server running?")
    finally:
        phone.call("Network.emulateNetworkConditions", offline=False, **conditions)
