"""A rebuild gives the same tables and writes nothing."""

from pathlib import Path
from typing import Any

import pytest

from fhir_server.subsystems.subsystem import Portion, read
from tests.conftest import Fhir
from tests.unit.subsystems.workforce.ward import DAY_AND_NIGHT, Ward, practitioner, role

pytestmark = pytest.mark.anyio


def state(ward: Ward) -> list[list[Any]]:
    store = ward.workforce.facts.store
    return [
        [tuple(row) for row in store.rows(f"SELECT * FROM {table} ORDER BY {order}")]
        for table, order in (("fact", "1, 2"), ("activity", "1, 2, 3"), ("proposal", "1"), ("place", "1"))
    ]


async def story(fhir: Fhir, folder: Path) -> Ward:
    ward = await Ward(fhir, folder).open("anna", "ben", "cleo")
    await fhir.create(practitioner("anna", ends="2026-10-31"))
    published = await ward.rota(days=2)
    await ward.ask("POST", f"/rotas/{published}/publish")
    await ward.rota(days=2, start="2026-10-12")
    await ward.rota(days=1, start="2026-10-20", shifts=[{**DAY_AND_NIGHT[0], "needed": 9}])
    await ward.ask(
        "POST", "/times", {"role": "ben-role", "start": "2026-10-05T07:00:00Z", "end": "2026-10-05T15:00:00Z"}
    )
    await fhir.create(role("cleo", active=False))
    await fhir.create({"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"},
                       "participant": [{"individual": {"reference": "Practitioner/ben"}}],
                       "period": {"start": "2026-10-05"}})  # fmt: skip
    await fhir("DELETE", "PractitionerRole/cleo-role")
    await ward.settle()
    return ward


async def test_a_rebuild_gives_the_same_tables_and_writes_nothing(fhir: Fhir, tmp_path: Path):
    ward = await story(fhir, tmp_path)
    before, head = state(ward), (await read(fhir.server, 0)).head
    assert all(before)
    ward.workforce.drop()
    assert ward.workforce.position() == 0
    await ward.settle()
    assert state(ward) == before
    assert (await read(fhir.server, 0)).head == head


async def test_the_feed_once_more_changes_nothing(fhir: Fhir, tmp_path: Path):
    ward = await story(fhir, tmp_path)
    before, head = state(ward), (await read(fhir.server, 0)).head
    again = await read(fhir.server, 0, ward.workforce.types)
    ward.workforce.take(Portion(again.changes, again.position, again.head))
    await ward.settle()
    assert state(ward) == before
    assert (await read(fhir.server, 0)).head == head
