"""Races: exactly one wins."""

import asyncio

import pytest

from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

CRITERIA = "identifier=http://hospital.test/mrn|1"
PATIENT = {"resourceType": "Patient", "identifier": [{"system": "http://hospital.test/mrn", "value": "1"}]}


async def test_of_many_updates_with_one_etag_exactly_one_wins(fhir: Fhir) -> None:
    await fhir.create({"resourceType": "Patient", "id": "a"})
    body = {"resourceType": "Patient", "id": "a", "active": True}
    answers = await asyncio.gather(*(fhir.put("Patient/a", body, if_match='W/"1"') for _ in range(20)))
    assert sorted(a.status_code for a in answers) == [200] + [412] * 19


async def test_of_many_conditional_creates_exactly_one_creates(fhir: Fhir) -> None:
    answers = await asyncio.gather(*(fhir.post("Patient", PATIENT, if_none_exist=CRITERIA) for _ in range(20)))
    assert sorted(a.status_code for a in answers) == [200] * 19 + [201]
    assert len({a.json()["id"] for a in answers}) == 1


async def test_of_many_conditional_updates_one_creates(fhir: Fhir) -> None:
    answers = await asyncio.gather(*(fhir.put(f"Patient?{CRITERIA}", PATIENT) for _ in range(20)))
    assert sorted(a.status_code for a in answers) == [200] * 19 + [201]
    assert (await fhir.get("Patient?_summary=count")).json()["total"] == 1


async def test_two_processes_worth_of_servers_share_one_file(fhir: Fhir) -> None:
    from fhir_server import bootstrap
    from fhir_server.api import Request

    other = await bootstrap.start(fhir.server.settings)
    asked = [
        Request("POST", ("Patient",), resource=dict(PATIENT), if_none_exist=CRITERIA, base="http://x/fhir")
        for _ in range(20)
    ]
    servers = (fhir.server, other)
    answers = await asyncio.gather(*(servers[n % 2].perform(request) for n, request in enumerate(asked)))
    assert sorted(a.status for a in answers) == [200] * 19 + [201]
    await other.close()
