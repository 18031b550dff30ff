"""What metrics and health say of Subscriptions, and $status of ones that are not as R4 has them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fhir_server.core.settings import Settings
from fhir_server.subscriptions.store.port import Event, State
from tests.conftest import START, Fhir
from tests.unit.subscriptions.test_refusing import GOOD

pytestmark = pytest.mark.anyio

OFF = {**GOOD, "id": "s", "status": "off"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, validation="none")


async def health(fhir: Fhir) -> dict[str, Any]:
    return (await fhir.http.get("http://fhir.test/health/ready")).json()["checks"]["subscriptions"]


async def test_one_in_error_is_told_though_nothing_of_it_was_served(fhir: Fhir) -> None:
    await fhir.create({**GOOD, "id": "s", "status": "error", "criteria": "Nothing"})
    found = await health(fhir)
    assert (found["status"], found["failing"]) == ("warn", ["s"])


async def test_what_is_off_neither_fails_nor_waits(fhir: Fhir) -> None:
    await fhir.create(OFF)
    waiting = [Event(1, 1, "Patient", "p", 1, "PUT", START - 10**9)]
    state = State(id="s", content="c", position=1, number=1, events=waiting, failures=3)
    await fhir.server.environment.subscriptions.store.keep_state(state)
    found = await health(fhir)
    assert (found["status"], found["failing"], found["waiting"]) == ("pass", [], 0)
    metrics = (await fhir.http.get("http://fhir.test/metrics")).text
    assert 'hms_subscriptions{status="off"} 1.0' in metrics
    assert 'hms_subscription_lag_seconds{id="s"}' not in metrics


@pytest.mark.parametrize(
    "wrong", [{"status": ["requested"]}, {"channel": []}, {"criteria": 5}, {"meta": {"profile": 5}}]
)
async def test_one_that_is_not_as_r4_has_it_harms_nobody(fhir: Fhir, wrong: dict[str, Any]) -> None:
    await fhir.create({**OFF, **wrong})
    assert (await fhir.http.get("http://fhir.test/metrics")).status_code == 200
    for operation in ("$status", "$events"):
        assert (await fhir.get(f"Subscription/s/{operation}")).status_code == 200
    assert (await fhir.get("Subscription/s/$get-ws-binding-token")).status_code == 422
