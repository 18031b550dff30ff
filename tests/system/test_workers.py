"""What one worker has answered holds in all others at once; two servers on one store in these tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from fhir_server import bootstrap
from fhir_server.core.settings import Settings
from tests.conftest import Fhir, HeldClock

pytestmark = pytest.mark.anyio

NICKNAME = {
    "resourceType": "SearchParameter",
    "url": "http://example.org/nickname",
    "name": "nickname",
    "status": "active",
    "description": "Nickname",
    "code": "nickname",
    "base": ["Patient"],
    "type": "string",
    "expression": "Patient.name.where(use = 'nickname').given",
}
PETS = {
    "resourceType": "CodeSystem",
    "url": "http://example.org/pets",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "cat"}],
}


@pytest.fixture
async def other(fhir: Fhir, settings: Settings) -> AsyncIterator[Fhir]:
    application = bootstrap.application(settings, HeldClock())
    async with (
        application.running() as server,
        httpx.AsyncClient(transport=httpx.ASGITransport(app=application)) as http,
    ):
        yield Fhir(http, server)


async def test_a_search_parameter_is_known_to_the_other_worker_and_found_by_once_it_is_indexed(
    fhir: Fhir, other: Fhir
) -> None:
    await fhir.create({"resourceType": "Patient", "id": "a", "name": [{"use": "nickname", "given": ["Bo"]}]})
    await fhir.create(NICKNAME)
    await other.create({"resourceType": "Patient", "id": "b", "name": [{"use": "nickname", "given": ["Bo"]}]})
    while fhir.server.indexing() or other.server.indexing():
        await asyncio.sleep(0.01)
    assert (await other.ids("Patient?nickname=Bo")) == ["a", "b"]


async def test_a_code_system_is_known_to_the_other_worker(fhir: Fhir, other: Fhir) -> None:
    path = "CodeSystem/$lookup?system=http://example.org/pets&code=cat"
    assert (await other.get(path)).status_code == 404
    await fhir.create(PETS)
    assert (await other.get(path)).status_code == 200


async def test_a_search_parameter_that_is_deleted_is_gone_in_the_other_worker(fhir: Fhir, other: Fhir) -> None:
    reference = await fhir.create(NICKNAME)
    assert (await other.get("Patient?nickname=Bo", prefer="handling=strict")).status_code != 400
    await fhir("DELETE", reference)
    assert (await other.get("Patient?nickname=Bo", prefer="handling=strict")).status_code == 400
