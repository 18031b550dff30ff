"""Erasures that interfaces in processes apart have yet to work off are known to every worker and machine."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from fhir_server.core.erasing import Erased
from fhir_server.core.settings import Settings
from fhir_server.operations.erasures import AsJobs, Erasures, InFolder
from tests.engines import EMBEDDED

pytestmark = pytest.mark.anyio

Machine = Callable[[], Erasures]
PATIENT = Erased("Patient/p", frozenset({("urn:card", "1"), ("", "1")}), frozenset({"Patient/p", "Observation/o"}))


@pytest.fixture
async def machine(settings: Settings, engine: str) -> AsyncIterator[Machine]:
    """Opens them as another machine does."""
    interfaces = ("ward", "lab")
    if engine == EMBEDDED:
        yield lambda: Erasures(InFolder(settings.data / "erasures"), interfaces)
        return
    from fhir_server.storage.mongo.database import connect
    from fhir_server.storage.mongo.jobs import GridFsPieces, MongoJobs

    database = await connect(settings.mongodb_url, settings.mongodb_database)
    yield lambda: Erasures(AsJobs(MongoJobs(database, "erasures", GridFsPieces(database))), interfaces)
    await database.close()


async def test_an_erasure_waits_for_each_interface_until_that_has_worked_it_off(machine: Machine):
    assert await machine()(PATIENT) == {"pending at ward": 1, "pending at lab": 1}
    (at_ward,), (at_lab,) = await machine().of("ward"), await machine().of("lab")
    assert (at_ward.reference, at_ward.identifiers) == ("Patient/p", [("", "1"), ("urn:card", "1")])
    assert at_ward.record == ["Observation/o", "Patient/p"]
    await machine().forget(at_ward)
    assert await machine().of("ward") == [] and await machine().of("lab") == [at_lab]


async def test_one_is_found_for_its_interface_alone(machine: Machine):
    await machine()(PATIENT)
    (waiting,) = await machine().of("lab")
    assert await machine().find(waiting.id, "lab") == waiting
    assert await machine().find(waiting.id, "ward") is None
    assert await machine().find("../../keys", "lab") is None and await machine().find("0" * 32, "lab") is None
