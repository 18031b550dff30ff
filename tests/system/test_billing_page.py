"""The desk on billing's screen, in a headless Chromium on a started server."""

import base64
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.system.billing import Desk
from tests.system.chromium import Chromium, browsing, required
from tests.system.process import hms, serving
from tests.unit.subsystems.billing.story import denied, encounter, procedure


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    required()
    with serving(tmp_path_factory.mktemp("data"), "--subsystems", "billing") as server:
        desk = Desk(server)
        desk.open()
        yield desk


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with browsing(tmp_path_factory.mktemp("profile")) as browser:
        browser.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        yield browser
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        assert browser.said == []


def goes(browser: Chromium, desk: Desk, place: str) -> None:
    browser.go(f"{desk.server.origin}/billing/#/{place}")


def types(browser: Chromium, selector: str, text: str) -> None:
    found = f"document.querySelector({json.dumps(selector)})"
    browser.until(f"{found} !== null")
    browser.run(f"{found}.value = {json.dumps(text)}")


def test_a_payment_is_taken_at_the_desk_and_reversed(phone: Chromium, desk: Desk):
    goes(phone, desk, "payments")
    phone.sees("No patient owes anything.")
    goes(phone, desk, "patients/anna")
    phone.sees("what is paid now is kept as a credit")
    types(phone, "[name=receipt]", "R1")
    types(phone, "[name=amount]", "12.50")
    phone.press("Take the payment")
    phone.sees("has a credit of 12.50")
    phone.run("void (window.prompt = () => 'wrong patient')")
    phone.press("Reverse")
    phone.sees("has a credit of 0.00")


def test_a_visit_is_claimed_denied_appealed_replaced_and_traced(phone: Chromium, desk: Desk):
    goes(phone, desk, "encounters/visit")
    phone.sees("No answer of the payer on eligibility is on file")
    phone.press("Make the claim")
    desk.until(lambda: desk.get("claims")["claims"])
    types(phone, "[name=receiver]", "CLEAR1")
    phone.press("Write 837 files")
    phone.sees("837P 000000001: 1 claims")
    [claim] = desk.until(lambda: [each for each in desk.get("claims")["claims"] if each["file"]])
    kept = httpx.get(f"{desk.server.base}/DocumentReference/{claim['file']}", timeout=60).json()
    sent = base64.b64decode(kept["content"][0]["attachment"]["data"]).decode()

    goes(phone, desk, "files")
    types(phone, "textarea", desk.remittance(sent, denied))
    phone.press("Load")
    phone.sees("835 000000101 is taken.")
    desk.until(lambda: desk.get("work")["work"])

    goes(phone, desk, "work/denial")
    phone.sees("CO-29")
    phone.run("void (window.prompt = () => 'it was in time')")
    phone.press("Appeal")
    task = f"{desk.server.base}/Task/{desk.get('work')['work'][0]['id']}"
    appealed = desk.until(lambda: httpx.get(task, timeout=60).json().get("note"))
    assert appealed[0]["text"] == "it was in time"
    phone.sees("denied for CO-29 (timely filing)")

    goes(phone, desk, f"claims/{claim['id']}")
    phone.press("Replace")
    again = desk.until(lambda: [each for each in desk.get("claims")["claims"] if each["prior"] == claim["id"]])
    assert again[0]["frequency"] == "7"
    goes(phone, desk, "work")
    phone.sees("Nothing waits.")

    entry = desk.get(f"journal?claim={claim['id']}")["entries"][-1]["id"]
    goes(phone, desk, "journal")
    phone.press(str(entry))
    phone.sees(f"Trace of journal/{entry}")
    for step in (f"Claim/{claim['id']}", "Encounter/visit", "Procedure/lab"):
        phone.sees(step)


def test_a_file_is_posted_anyway_and_what_it_denies_is_written_off(phone: Chromium, desk: Desk):
    [newest] = [each for each in desk.get("claims")["claims"] if not each["replaced"]]
    sent = desk.post("send", receiver="CLEAR1", usage="T")["files"][0]["text"]
    text = desk.remittance(sent, denied, control=102).replace("BPR*H*0*C", "BPR*I*5*C")
    desk.post("files", content=text)
    desk.until(lambda: [each["kind"] for each in desk.get("work")["work"]] == ["set-aside"])
    goes(phone, desk, "files")
    phone.run("void (window.prompt = () => 'the payer says so')")
    phone.press("Post anyway")
    desk.until(lambda: sorted(each["kind"] for each in desk.get("work")["work"]) == ["denial", "unmatched"])
    goes(phone, desk, "work/denial")
    phone.sees("CO-29")
    phone.run("void (window.prompt = () => 'too late to appeal')")
    phone.press("Write off")
    desk.until(lambda: [each["kind"] for each in desk.get("work")["work"]] == ["unmatched"])
    goes(phone, desk, f"claims/{newest['id']}")
    phone.sees("written off")
    [task] = [each["id"] for each in desk.get(f"claims/{newest['id']}")["work"] if each["kind"] == "denial"]
    given = ("--reason", "again", "--server", desk.server.base)
    assert "closed already: written off" in hms("billing", "settle", task, "write-off", *given, code=1)
    [paid] = [each["id"] for each in desk.get("files")["files"] if each["state"] == "posted" and each["cents"] == 500]
    assert "this one is: posted" in hms("billing", "post", paid, *given, code=1)


def test_a_visit_without_insurance_is_billed_to_its_patient(phone: Chromium, desk: Desk):
    of_ben: dict[str, Any] = {"subject": {"reference": "Patient/ben"}}
    for each in (
        {"resourceType": "Patient", "id": "ben"},
        encounter(id="uninsured", **of_ben),
        procedure("sample", encounter={"reference": "Encounter/uninsured"}, **of_ben),
    ):
        at = f"{desk.server.base}/{each['resourceType']}/{each['id']}"
        httpx.put(at, json=each, timeout=60).raise_for_status()
    desk.until(lambda: [each["charges"] for each in desk.get("encounters")["encounters"]] == [2])
    goes(phone, desk, "encounters/uninsured")
    phone.sees("bill the patient, or add a Coverage")
    phone.press("Bill the patient")
    phone.sees("Owed by patients")
    phone.sees("Patient/ben")
    goes(phone, desk, "patients/ben")
    phone.sees("Owes 175.49")
    phone.run("void (window.prompt = () => 'insured after all')")
    phone.press("Cancel")
    phone.sees("Owes 0.00")
