"""Qualifications that end."""

from pathlib import Path

import pytest

from fhir_server.subsystems.workforce.models import DAY
from tests.conftest import Fhir
from tests.unit.subsystems.workforce.ward import Ward, practitioner

pytestmark = pytest.mark.anyio

BLOCKED = "Practitioner?_tag=urn:ultimate-hms:workforce:label|blocked"


async def test_a_task_before_a_block_after_and_a_task_for_what_was_ordered(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna", "ben")
    await fhir.create(practitioner("anna", ends="2026-10-31"))
    await ward.settle()
    [task] = await ward.found("Task?status=requested")
    assert (task["priority"], task["focus"]["reference"]) == ("routine", "Practitioner/anna")
    assert "ends on 2026-10-31" in task["description"]
    [provenance] = await ward.found(f"Provenance?target=Task/{task['id']}")
    assert provenance["entity"][0]["what"]["reference"] == "Practitioner/anna/_history/2"

    order = {"resourceType": "ServiceRequest", "id": "o", "status": "active", "intent": "order",
             "subject": {"reference": "Patient/p"}, "authoredOn": "2026-11-20",
             "requester": {"reference": "Practitioner/anna"}}  # fmt: skip
    await fhir.create(order)
    ward.now += 70 * DAY
    await ward.settle()
    tasks = {each["code"]["text"]: each for each in await ward.found("Task?priority=urgent")}
    assert tasks["order without qualification"]["focus"]["reference"] == "ServiceRequest/o"
    assert "no shift and no order" in tasks["qualification ends"]["description"]
    assert [each["id"] for each in await ward.found("Practitioner?_tag=urn:ultimate-hms:workforce:label|blocked")] == [
        "anna"
    ]
    people = {each["name"]: each for each in (await ward.ask("GET", "/people"))["people"]}
    assert (people["Anna"]["may_work"], people["Anna"]["blocked"], people["Ben"]["may_work"]) == (False, True, True)

    await fhir.create(practitioner("anna", ends="2030-12-31"))
    await ward.settle()
    assert await ward.found(BLOCKED) == []
    assert await ward.found("Task?status=requested") == []


async def test_a_task_that_a_person_has_taken_up_is_left(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    await fhir.create(practitioner("anna", ends="2026-10-31"))
    await ward.settle()
    [task] = await ward.found("Task")
    await fhir.create({**task, "status": "in-progress"})
    ward.now += 70 * DAY
    await ward.settle()
    [task] = await ward.found("Task")
    assert (task["status"], task["priority"]) == ("in-progress", "routine")


async def test_an_untouched_task_is_not_written_again(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    await fhir.create(practitioner("anna", ends="2026-10-31"))
    for _ in range(3):
        await ward.settle()
    [task] = await ward.found("Task")
    assert task["meta"]["versionId"] == "1"
