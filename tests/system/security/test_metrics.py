"""Who reads the metrics of a secured server."""

from __future__ import annotations

from typing import Any

import httpx
import msgspec
import pytest

from fhir_server.core.settings import Settings
from tests.conftest import Fhir
from tests.system.security.conftest import ORIGIN

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, metrics_networks=("10.0.0.0/8",))


async def scraped(fhir: Fhir, address: str) -> httpx.Response:
    application: Any = fhir.application
    transport = httpx.ASGITransport(app=application, client=(address, 4711))
    async with httpx.AsyncClient(transport=transport) as http:
        return await http.get(f"{ORIGIN}/metrics")


@pytest.mark.parametrize("address", ["127.0.0.1", "10.20.0.15"])
async def test_its_own_machine_and_named_networks_read_the_metrics(hospital: Fhir, address: str) -> None:
    answer = await scraped(hospital, address)
    assert answer.status_code == 200 and 'hms_resources{type="Patient"}' in answer.text


async def test_other_addresses_are_refused_and_told_what_to_do(hospital: Fhir) -> None:
    answer = await scraped(hospital, "11.20.0.15")
    assert answer.status_code == 403 and "Patient" not in answer.text
    assert "metrics_networks" in answer.json()["issue"][0]["diagnostics"]
