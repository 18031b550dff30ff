"""Whoever reads or changes messages over HTTP is in the audit log."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server.core.errors import error
from fhir_server.core.ports import OPEN, Caller
from fhir_server.core.settings import Settings
from fhir_server.rest.auditing import Auditing
from interfaces.hl7v2.http.application import Hl7Application
from tests.conftest import Fhir
from tests.unit.interfaces.hl7v2.traffic import Station, message

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path / "data", synchronous="OFF", audit="on")


async def allowed(scope: dict[str, Any]) -> Caller:
    """Whoever says who they are."""
    if (b"authorization", b"none") in scope["headers"]:
        raise error("login", "Sign in.")
    return OPEN


@pytest.fixture
async def http(fhir: Fhir, station: Station) -> AsyncIterator[httpx.AsyncClient]:
    application: Any = Hl7Application(station.interface, 200_000, allowed, Auditing(fhir.server).mounted)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=application), base_url="http://h.test") as http:
        yield http


def about(event: dict[str, Any]) -> list[str]:
    """The patients and what else an event is about."""
    found = []
    for entity in event.get("entity", ()):
        what = entity.get("what", {})
        found.append(what.get("reference") or what.get("display") or base64.b64decode(entity["query"]).decode())
    return found


async def test_requests_that_read_or_change_messages_are_kept(fhir: Fhir, http: httpx.AsyncClient) -> None:
    await http.post("/hl7/upload", content=message("1"))
    await http.get("/hl7/status")
    await http.get("/hl7/messages", params={"state": "done"})
    await http.get("/hl7/messages/1/raw")
    await http.post("/hl7/messages/1/replay", json={"reason": "again"})
    await http.get("/hl7/messages/9")
    await http.get("/hl7/messages/1", headers={"Authorization": "none"})
    patient = f"Patient/{(await fhir.ids('Patient'))[0]}"
    found = [entry["resource"] for entry in (await fhir.get("AuditEvent")).json()["entry"]]
    kept = [
        (event["subtype"][0]["code"], event["action"], event["outcome"], about(event))
        for event in reversed(found)
        if any("hl7/" in one for one in about(event))
    ]
    assert kept == [
        ("create", "C", "0", ["hl7/upload"]),
        ("search-type", "E", "0", [patient, "hl7/messages", "hl7/messages?state=done"]),
        ("read", "R", "0", [patient, "hl7/messages/1/raw"]),
        ("update", "U", "0", [patient, "hl7/messages/1/replay"]),
        ("read", "R", "4", ["hl7/messages/9"]),
        ("read", "R", "4", ["hl7/messages/1"]),
    ]
