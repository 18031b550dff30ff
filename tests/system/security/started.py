"""A secured server that is started once for all tests that drive a browser, and what they do at its pages."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx

from fhir_server.bootstrap import opened_security
from fhir_server.core.settings import Settings
from tests.system.chromium import Chromium
from tests.system.process import Server, hms
from tests.system.security.conftest import PASSWORD, RESOURCES

DICOM = ("--dicom", "true", "--dicom-port", 0, "--dicom-reserve-mb", 0)


def prepare(data: Path) -> None:
    """Makes the people who sign in."""

    async def work() -> None:
        async with opened_security(Settings(data=data)) as security:
            for name, record in (("doc", "Practitioner/doc"), ("ada", "Patient/me")):
                await security.add_user(name, PASSWORD, record)

    asyncio.run(work())


def fill(server: Server, data: Path) -> None:
    """Stores the small hospital."""
    token = hms("token", "--data", data, "--base-url", server.base).strip()
    headers = {"authorization": f"Bearer {token}", "content-type": "application/fhir+json"}
    entries = [{"resource": each, "request": {"method": "PUT", "url": path(each)}} for each in RESOURCES]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    answer = httpx.post(server.base, content=json.dumps(bundle), headers=headers)
    assert answer.status_code == 200, answer.text


def path(resource: dict[str, Any]) -> str:
    """Type/id."""
    return f"{resource['resourceType']}/{resource['id']}"


def sign_in(browser: Chromium, name: str) -> None:
    """At the sign-in page."""
    browser.fill(name=name, password=PASSWORD)
    browser.press("Sign in")
