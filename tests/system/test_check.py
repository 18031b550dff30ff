"""check finds what is broken in a store, and repairs what can be."""

import asyncio
import sqlite3

import pytest

from tests.conftest import Fhir

pytestmark = pytest.mark.anyio


def change(fhir: Fhir, statement: str) -> None:
    file = sqlite3.connect(fhir.server.settings.data / "fhir.sqlite")
    file.execute(statement)
    file.commit()
    file.close()


async def some(fhir: Fhir) -> None:
    await fhir.create({"resourceType": "Patient", "id": "a", "name": [{"family": "Smith"}], "birthDate": "1970"})
    await fhir.create(
        {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": "Patient/a"}}
    )
    await fhir("DELETE", await fhir.create({"resourceType": "Patient"}))


async def test_a_whole_store_has_no_finding(fhir: Fhir) -> None:
    await some(fhir)
    assert await fhir.server.check() == []


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM string_value WHERE text = 'smith'",
        "INSERT INTO date SELECT field, low + 1, high + 1, rid FROM date",
        "UPDATE type SET live = 7 WHERE name = 'Patient'",
        "INSERT INTO token SELECT field, term, 12345 FROM token LIMIT 1",
    ],
)
async def test_broken_index_values_and_counts_are_found_and_repaired(fhir: Fhir, damage: str) -> None:
    await some(fhir)
    change(fhir, damage)
    assert len(await fhir.server.check()) == 1
    assert [finding.repaired for finding in await fhir.server.check(repair=True)] == [True]
    assert await fhir.server.check() == []
    assert await fhir.ids("Patient?name=smith") == ["a"]


async def test_a_lost_version_is_found_and_said_not_to_be_repaired(fhir: Fhir) -> None:
    await some(fhir)
    change(fhir, "DELETE FROM version WHERE seq = 1")
    findings = await fhir.server.check(repair=True)
    assert [(finding.about, finding.repaired) for finding in findings] == [("Patient/a", False)]


async def test_reindex_restores_lost_values(fhir: Fhir) -> None:
    await some(fhir)
    change(fhir, "DELETE FROM string_value")
    assert await fhir.ids("Patient?name=smith") == []
    await fhir.server.reindex()
    assert await fhir.ids("Patient?name=smith") == ["a"]


async def test_an_erasure_and_a_write_in_one_group_leave_a_whole_store(fhir: Fhir) -> None:
    await fhir.create({"resourceType": "Patient", "id": "a", "gender": "other"})
    created = {"resourceType": "Patient", "id": "b", "gender": "other"}
    await asyncio.gather(fhir.post("Patient/a/$purge", None), fhir.create(created))
    assert await fhir.server.check() == []
    assert await fhir.ids("Patient?gender=other") == ["b"]
