"""Rotas from wish to shift."""

import asyncio
import itertools
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from tests.conftest import Fhir
from tests.unit.subsystems.workforce.ward import DAY_AND_NIGHT, Ward, practitioner, role

pytestmark = pytest.mark.anyio


@pytest.fixture
async def ward(fhir: Fhir, tmp_path: Path) -> Ward:
    return await Ward(fhir, tmp_path).open("anna", "ben", "cleo", "dora")


async def test_a_rota_is_proposed_published_and_worked_as_slots_with_provenance(ward: Ward):
    id = await ward.rota()
    proposed = await ward.ask("GET", f"/rotas/{id}")
    assert (proposed["state"], proposed["missing"], len(proposed["shifts"])) == ("proposed", 0, 6)
    assert all(len(shift["works"]) == 1 for shift in proposed["shifts"])
    assert await ward.found("Slot?status=busy") == []
    assert (await ward.ask("POST", f"/rotas/{id}/publish"))["assigned"] == 6
    published = await ward.ask("GET", f"/rotas/{id}")
    assert published["state"] == "published"
    assert [s["works"] for s in published["shifts"]] == [s["works"] for s in proposed["shifts"]]
    assert len(await ward.found(f"Slot?schedule=Schedule/{id}&status=busy")) == 6  # each tells that it is covered
    slot = (await ward.found("Slot?schedule=Schedule/anna-role.rota"))[0]
    [provenance] = await ward.found(f"Provenance?target=Slot/{slot['id']}")
    assert [agent["who"]["display"] for agent in provenance["agent"]] == ["workforce subsystem", "head nurse"]


async def test_a_rota_that_is_asked_for_anew_has_the_shifts_of_the_new_wish(ward: Ward):
    id = await ward.rota()
    evening = [DAY_AND_NIGHT[0], {"kind": "E", "at": "14:00", "hours": 8, "needed": 1}]
    assert await ward.rota(shifts=evening) == id
    found = await ward.ask("GET", f"/rotas/{id}")
    assert sorted(shift["kind"] for shift in found["shifts"]) == ["D"] * 3 + ["E"] * 3
    assert (await ward.ask("POST", f"/rotas/{id}/publish"))["assigned"] == 6
    assert len(await ward.found(f"Slot?schedule=Schedule/{id}&status=entered-in-error")) == 3


async def test_rest_is_kept_and_a_proposal_follows_the_facts(ward: Ward):
    id = await ward.rota()
    shifts = (await ward.ask("GET", f"/rotas/{id}"))["shifts"]
    works = [shift["works"][0]["role"] for shift in shifts]
    assert all(one != other for one, other in itertools.pairwise(works))  # 12 h each, one after the other
    away = {"notAvailable": [{"description": "leave", "during": {"start": "2026-10-05", "end": "2026-10-07"}}]}
    await ward.fhir.create(role("anna", **away))
    await ward.settle()
    works = [shift["works"][0]["role"] for shift in (await ward.ask("GET", f"/rotas/{id}"))["shifts"]]
    assert "anna-role" not in works


async def test_a_rota_that_can_not_be_says_which_rules_collide_and_what_is_missing(ward: Ward):
    for nurse in ("anna", "ben", "cleo"):
        await ward.fhir.create(role(nurse, notAvailable=[
            {"description": "leave", "during": {"start": "2026-10-05", "end": "2026-10-05"}}]))  # fmt: skip
    id = await ward.rota()
    [item] = (await ward.ask("GET", "/work"))["items"]
    assert (item["rule"], item["about"], item["priority"]) == ("rota can not be", f"Schedule/{id}", "urgent")
    [task] = await ward.found("Task?status=requested")
    assert [each["valueString"] for each in task["input"][:3]] == ["cover", "rest", "leave"]
    assert task["input"][3]["valueReference"]["display"].endswith(": 1 missing")
    rota = await ward.ask("GET", f"/rotas/{id}")
    assert set(rota["collide"]) == {"cover", "leave", "rest"}
    # the only one who is there works the day or the night; the night's rest ends after the next day begins
    assert rota["missing"] == 1
    assert rota["short"][0]["start"].startswith("2026-10-05")
    with pytest.raises(FhirError, match="collide: cover, rest, leave"):
        await ward.ask("POST", f"/rotas/{id}/publish")
    await ward.ask("POST", f"/rotas/{id}/publish", {"short": True, "reason": "agency staff is asked for"})
    assert (await ward.ask("GET", f"/rotas/{id}"))["missing"] == 1
    assert (await ward.ask("GET", "/work"))["items"] == []


async def test_the_work_item_of_a_rota_is_closed_and_opened_as_the_rota_can_be(ward: Ward):
    away = {"notAvailable": [{"description": "leave", "during": {"start": "2026-10-05", "end": "2026-10-09"}}]}
    await ward.rota(days=1, shifts=[{**DAY_AND_NIGHT[0], "needed": 4}])
    for leave, status in ((away, "requested"), ({}, "completed"), (away, "requested")):
        await ward.fhir.create(role("anna", **leave))
        await ward.settle()
        assert [task["status"] for task in await ward.found("Task")] in ([], [status])
    [task] = await ward.found("Task")
    assert "these rules collide: cover, leave, and 1 person is missing" in task["description"]
    await ward.fhir.create({**task, "status": "in-progress"})
    await ward.fhir.create(role("anna"))
    await ward.settle()
    assert [task["status"] for task in await ward.found("Task")] == ["in-progress"]


async def test_skills_and_weekly_hours_are_kept(ward: Ward):
    await ward.fhir.create(role("cleo", specialty=[{"coding": [{"code": "icu"}]}]))
    skilled = [{**DAY_AND_NIGHT[0], "skills": {"icu": 1}}]
    id = await ward.rota(days=4, shifts=skilled)
    rota = await ward.ask("GET", f"/rotas/{id}")
    assert rota["collide"] == ["skills", "weekly hours"]  # 48 h in a week of 40, for the only one with the skill
    assert rota["missing"] == 1


async def test_a_swap_keeps_the_rules_unless_they_are_overridden_with_a_reason(ward: Ward):
    id = await ward.rota(days=1)
    await ward.ask("POST", f"/rotas/{id}/publish")
    day, night = (await ward.ask("GET", f"/rotas/{id}"))["shifts"]
    by_day, by_night = day["works"][0]["role"], night["works"][0]["role"]
    free = next(
        f"{nurse}-role" for nurse in ("anna", "ben", "cleo", "dora") if f"{nurse}-role" not in (by_day, by_night)
    )
    given = await ward.ask("POST", f"/shifts/{day['id']}/swap", {"from": by_day, "to": free, "reason": "child is ill"})
    assert given == {"overridden": []}
    refused = {"from": free, "to": by_night, "reason": "nobody else"}
    with pytest.raises(FhirError, match="rest: less than 11 h"):
        await ward.ask("POST", f"/shifts/{day['id']}/swap", refused)
    given = await ward.ask("POST", f"/shifts/{day['id']}/swap", {**refused, "override": True})
    assert [rule.partition(":")[0] for rule in given["overridden"]] == ["rest"]
    day = (await ward.ask("GET", f"/rotas/{id}"))["shifts"][0]
    assert day["works"] == [{"role": by_night, "name": by_night[:-5].title(), "override": "nobody else"}]


async def test_a_shift_that_two_give_away_at_once_is_given_once(ward: Ward):
    id = await ward.rota(days=1, shifts=DAY_AND_NIGHT[:1])
    await ward.ask("POST", f"/rotas/{id}/publish")
    [shift] = (await ward.ask("GET", f"/rotas/{id}"))["shifts"]
    worker = shift["works"][0]["role"]
    others = [f"{nurse}-role" for nurse in ("anna", "ben", "cleo") if f"{nurse}-role" != worker][:2]
    answers = await asyncio.gather(
        *(
            ward.ask("POST", f"/shifts/{shift['id']}/swap", {"from": worker, "to": to, "reason": "ill"}, settled=False)
            for to in others
        ),
        return_exceptions=True,
    )
    assert [type(each) for each in answers] == [dict, FhirError]
    await ward.settle()
    [shift] = (await ward.ask("GET", f"/rotas/{id}"))["shifts"]
    assert [each["role"] for each in shift["works"]] == others[:1]


async def icu(ward: Ward, *nurses: str) -> None:
    """A second ward where these have a role beside their own."""
    await ward.fhir.create({"resourceType": "Location", "id": "icu", "name": "ICU"})
    for nurse in nurses:
        await ward.fhir.create({**role(nurse), "id": f"{nurse}-icu", "location": [{"reference": "Location/icu"}]})
    await ward.settle()


async def test_a_person_of_two_wards_is_in_one_place_at_a_time(ward: Ward):
    await icu(ward, "anna", "ben")
    own = {"ward": "Location/icu", "start": "2026-10-05", "days": 1, "shifts": [{**DAY_AND_NIGHT[0], "needed": 1}]}
    id = (await ward.ask("POST", "/rotas", own))["id"]
    await ward.ask("POST", f"/rotas/{id}/publish")
    [there] = (await ward.ask("GET", f"/rotas/{id}"))["shifts"]
    busy = there["works"][0]["role"].removesuffix("-icu")
    all = await ward.rota(days=1, shifts=[{**DAY_AND_NIGHT[0], "needed": 3}])
    [shift] = (await ward.ask("GET", f"/rotas/{all}"))["shifts"]
    assert f"{busy}-role" not in [each["role"] for each in shift["works"]]
    await ward.ask("POST", f"/rotas/{all}/publish")
    with pytest.raises(FhirError, match="rest: less than 11 h"):
        swapped = {"from": shift["works"][0]["role"], "to": f"{busy}-role", "reason": "ill"}
        await ward.ask("POST", f"/shifts/{shift['id']}/swap", swapped)


async def test_a_person_with_two_roles_on_a_ward_works_a_shift_once(ward: Ward):
    for nurse in ("anna", "ben", "cleo", "dora"):
        await ward.fhir.create({**role(nurse), "id": f"{nurse}-lead"})
    id = await ward.rota(days=1, shifts=[{**DAY_AND_NIGHT[0], "needed": 4}])
    [shift] = (await ward.ask("GET", f"/rotas/{id}"))["shifts"]
    assert {each["role"].partition("-")[0] for each in shift["works"]} == {"anna", "ben", "cleo", "dora"}


async def test_a_proposal_from_before_another_rota_was_published_is_not_published(ward: Ward):
    await icu(ward, "anna", "ben", "cleo", "dora")
    day = [{**DAY_AND_NIGHT[0], "needed": 3}]
    wanted = {"ward": "Location/icu", "start": "2026-10-05", "days": 1, "shifts": day}
    first, second = await ward.rota(days=1, shifts=day), (await ward.ask("POST", "/rotas", wanted))["id"]
    await ward.ask("POST", f"/rotas/{first}/publish", settled=False)
    with pytest.raises(FhirError, match="still being worked out"):
        await ward.ask("POST", f"/rotas/{second}/publish")
    await ward.settle()
    assert (await ward.ask("GET", f"/rotas/{second}"))["missing"] == 2


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"ward": "Location/none"}, "no Location/none"),
        ({"start": "soon"}, "start must be a day"),
        ({"days": 0}, "days must be a whole number from 1"),
        ({"days": "x"}, "days must be"),
        ({"shifts": []}, "shifts must be a list"),
        ({"shifts": [{"kind": "D", "at": "25:00", "hours": 8, "needed": 1}]}, "at must be a time"),
        ({"shifts": [{"kind": "D", "at": "07:00", "hours": 8, "needed": -1}]}, "needed must be"),
        ({"shifts": [{"kind": "", "at": "07:00"}]}, "kind must be"),
        ({"shifts": [*DAY_AND_NIGHT, *DAY_AND_NIGHT]}, "a kind of its own"),
    ],
)
async def test_a_wish_that_is_not_right_is_refused_with_the_reason(ward: Ward, fields: dict, said: str):
    wish = {"ward": "Location/ward", "start": "2026-10-05", "days": 2, "shifts": DAY_AND_NIGHT}
    with pytest.raises(FhirError, match=said):
        await ward.ask("POST", "/rotas", {**wish, **fields})


async def test_who_is_not_qualified_to_the_end_of_a_shift_does_not_work_it(ward: Ward):
    for nurse in ("anna", "ben"):
        await ward.fhir.create(practitioner(nurse, ends="2026-10-05"))
    id = await ward.rota(days=3)
    shifts = (await ward.ask("GET", f"/rotas/{id}"))["shifts"]
    assert {shift["works"][0]["role"] for shift in shifts if shift["start"] >= "2026-10-05T19"} == {
        "cleo-role", "dora-role"
    }  # fmt: skip
