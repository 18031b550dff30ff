"""The desk on billing's screen, in a headless Chromium on a started server."""

from pathlib import Path

import httpx

from tests.system.chromium import browsing
from tests.system.process import serving


def test_a_payment_is_taken_at_the_desk_and_reversed(tmp_path: Path):
    with serving(tmp_path / "data", "--subsystems", "billing") as server, browsing(tmp_path / "profile") as browser:
        patient = {"resourceType": "Patient", "id": "anna"}
        httpx.put(f"{server.base}/Patient/anna", json=patient, timeout=60).raise_for_status()
        browser.call("Emulation.setDeviceMetricsOverride", width=390, height=844, deviceScaleFactor=1, mobile=True)
        browser.go(f"{server.origin}/billing/#/payments")
        browser.sees("No patient owes anything.")
        browser.go(f"{server.origin}/billing/#/patients/anna")
        browser.sees("what is paid now is kept as a credit")
        browser.run("document.querySelector('[name=receipt]').value = 'R1'")
        browser.run("document.querySelector('[name=amount]').value = '12.50'")
        browser.press("Take the payment")
        browser.sees("has a credit of 12.50")
        browser.run("void (window.prompt = () => 'wrong patient')")
        browser.press("Reverse")
        browser.sees("has a credit of 0.00")
        assert browser.run("document.documentElement.scrollWidth <= window.innerWidth")
        assert browser.said == []
