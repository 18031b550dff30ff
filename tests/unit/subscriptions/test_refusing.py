"""A Subscription that is no such thing is refused, whatever the server validates; what is off may be anything."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fhir_server.core.settings import Settings
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

GUIDE = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
GOOD: dict[str, Any] = {
    "resourceType": "Subscription", "status": "requested", "reason": "x", "criteria": "Patient",
    "channel": {"type": "rest-hook", "endpoint": "https://hooks.example.org/"},
}  # fmt: skip
WRONG: tuple[dict[str, Any], ...] = (
    {"criteria": 5}, {"criteria": None}, {"criteria": ["Patient"]}, {"criteria": ""}, {"criteria": "?name=a"},
    {"criteria": "Patient?name:exac=a"}, {"criteria": "Patient?birthdate=" + "9" * 400}, {"criteria": "Patient/1"},
    {"criteria": "http://fhir.test/fhir/Patient?name=a"}, {"criteria": "urn:hms:topic:stored"},
    {"channel": []}, {"channel": "rest-hook"}, {"channel": {"type": ["rest-hook"]}}, {"channel": {"type": "rest-hook"}},
    {"channel": {**GOOD["channel"], "header": "A: b"}}, {"channel": {**GOOD["channel"], "header": [{}]}},
    {"channel": {**GOOD["channel"], "header": ["Übel: ja"]}}, {"channel": {**GOOD["channel"], "header": ["A: \u2028"]}},
    {"channel": {**GOOD["channel"], "payload": 7}}, {"channel": {**GOOD["channel"], "payload": "a\r\nX: y"}},
    {"channel": {**GOOD["channel"], "endpoint": "https://"}}, {"channel": {**GOOD["channel"], "endpoint": "//a/b"}},
    {"channel": {**GOOD["channel"], "endpoint": "https://[::1"}}, {"channel": {**GOOD["channel"], "endpoint": 1}},
    {"channel": {**GOOD["channel"], "endpoint": "https://a:99999/"}},
    {"channel": {**GOOD["channel"], "endpoint": "https://a\\@b/"}},
    {"criteria": "urn:hms:topic:stored", "_criteria": "x"}, {"meta": {"profile": 5}},
    {"criteria": "urn:hms:topic:stored", "_criteria": {"extension": [{"url": f"{GUIDE}backport-filter-criteria"}]}},
)  # fmt: skip


@pytest.fixture(params=["none", "base"])
def settings(request: pytest.FixtureRequest, settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, validation=request.param)


async def test_each_is_answered_with_what_to_change(fhir: Fhir) -> None:
    assert (await fhir.post("Subscription", GOOD)).status_code == 201
    for wrong in WRONG:
        answer = await fhir.post("Subscription", {**GOOD, **wrong})
        assert 400 <= answer.status_code < 500, (wrong, answer.text)
        assert answer.json()["issue"][0]["diagnostics"]


async def test_a_transaction_s_is_looked_at_however_its_url_is_written(fhir: Fhir) -> None:
    for url in ("Subscription", "Subscripti%6Fn"):
        entry = {"resource": {**GOOD, "criteria": "Nothing"}, "request": {"method": "POST", "url": url}}
        answer = await fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
        assert answer.status_code == 422, url


async def test_what_is_off_is_not_looked_at(fhir: Fhir) -> None:
    assert (await fhir.post("Subscription", {**GOOD, "status": "off", "criteria": "Nothing"})).status_code == 201
