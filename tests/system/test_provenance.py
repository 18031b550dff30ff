"""Provenance by the header X-Provenance and by itself, in the commit that it is about."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.settings import Settings
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

GIVEN = {"resourceType": "Provenance", "recorded": "2026-01-01T00:00:00Z", "agent": [{"who": {"display": "a tester"}}]}
PATIENT = {"resourceType": "Patient", "id": "p", "gender": "female"}


async def told(fhir: Fhir, target: str = "") -> list[dict[str, Any]]:
    found = (await fhir.get("Provenance" + (f"?target={target}" if target else ""))).json()
    return [entry["resource"] for entry in found.get("entry", ())]


def targets(provenance: dict[str, Any]) -> list[str]:
    return [target["reference"] for target in provenance["target"]]


async def test_a_header_is_stored_about_what_was_written(fhir: Fhir) -> None:
    header = {"x_provenance": json.dumps(GIVEN)}
    assert (await fhir.put("Patient/p", PATIENT, **header)).status_code == 201
    assert (await fhir.put("Patient/p", {**PATIENT, "gender": "male"})).status_code == 200
    (found,) = await told(fhir, "Patient/p")
    assert targets(found) == ["Patient/p/_history/1"] and found["agent"] == GIVEN["agent"]
    await fhir("DELETE", "Patient/p", **header)
    assert sorted(targets(each)[0] for each in await told(fhir)) == ["Patient/p/_history/1", "Patient/p/_history/3"]


async def test_a_transaction_has_one_and_a_batch_one_an_entry(fhir: Fhir) -> None:
    for kind, number in (("transaction", 1), ("batch", 2)):
        entries = [
            {"resource": {**PATIENT, "id": id}, "request": {"method": "PUT", "url": f"Patient/{id}"}}
            for id in (f"{kind}1", f"{kind}2")
        ]
        bundle = {"resourceType": "Bundle", "type": kind, "entry": entries}
        before = len(await told(fhir))
        assert (await fhir.post("", bundle, x_provenance=json.dumps(GIVEN))).status_code == 200
        assert len(await told(fhir)) == before + number


@pytest.mark.parametrize(
    "header",
    ["{", "[]", '{"resourceType":"Patient"}', json.dumps({**GIVEN, "target": [{"reference": "Patient/x"}]}),
     '{"resourceType":"Provenance","recorded":"yesterday"}'],
)  # fmt: skip
async def test_a_wrong_header_stores_nothing(fhir: Fhir, header: str) -> None:
    answer = await fhir.put("Patient/p", PATIENT, x_provenance=header)
    assert answer.status_code in (400, 422) and "X-Provenance" in answer.text
    assert (await fhir.get("Patient/p")).status_code == 404 and await told(fhir) == []


class TestAutomatic:
    @pytest.fixture
    def settings(self, tmp_path: Path) -> Settings:
        return Settings(data=tmp_path / "data", synchronous="OFF", provenance="automatic")

    async def test_every_commit_has_one(self, fhir: Fhir) -> None:
        await fhir.put("Patient/p", PATIENT)
        patch = [{"op": "replace", "path": "/gender", "value": "male"}]
        await fhir("PATCH", "Patient/p", patch, content_type="application/json-patch+json")
        await fhir("DELETE", "Patient/p")
        activities = {targets(found)[0]: found["activity"]["coding"][0]["code"] for found in await told(fhir)}
        assert activities == {
            "Patient/p/_history/1": "CREATE", "Patient/p/_history/2": "UPDATE", "Patient/p/_history/3": "DELETE"
        }  # fmt: skip

    async def test_but_for_commits_that_bring_their_own(self, fhir: Fhir) -> None:
        own = {**GIVEN, "target": [{"reference": "Patient/p"}]}
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [
            {"resource": PATIENT, "request": {"method": "PUT", "url": "Patient/p"}},
            {"resource": own, "request": {"method": "POST", "url": "Provenance"}}]}  # fmt: skip
        assert (await fhir.post("", bundle)).status_code == 200
        assert len(await told(fhir)) == 1

    async def test_what_is_refused_leaves_none(self, fhir: Fhir) -> None:
        assert (await fhir.post("Patient", {"resourceType": "Patient", "gender": "x"})).status_code == 422
        assert await told(fhir) == []
