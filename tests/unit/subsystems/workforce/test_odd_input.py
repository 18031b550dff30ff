"""What people and other systems get wrong: told, or left alone, and never in the way of the others."""

from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.models import DAY
from fhir_server.subsystems.workforce.reading import day_of, member, moment, person
from tests.conftest import Fhir
from tests.unit.subsystems.workforce.ward import DAY_AND_NIGHT, Ward, practitioner, role

pytestmark = pytest.mark.anyio
NEW_YORK = ZoneInfo("America/New_York")


@pytest.fixture
async def ward(fhir: Fhir, tmp_path: Path) -> Ward:
    return await Ward(fhir, tmp_path).open("anna", "ben", "cleo", "dora")


def test_a_day_without_a_time_is_one_of_the_hospitals_time_zone():
    away = [{"description": "leave", "during": {"start": "2026-10-05", "end": "2026-10-05"}}]
    who = person(practitioner("anna", "2026-10-31"), 1, NEW_YORK)
    found = member(role("anna", notAvailable=away), 1, NEW_YORK, who)
    assert found is not None
    begins, ends = moment("2026-10-05T00:00:00-04:00"), moment("2026-10-06T00:00:00-04:00")
    assert begins and ends and found.leave == ((begins, ends - 1),)
    assert day_of(found.until or 0, NEW_YORK) == "2026-10-31"
    last = moment("2026-11-01", NEW_YORK, last=True) or 0  # clocks are put back that day
    assert last + 1 - (moment("2026-11-01", NEW_YORK) or 0) == DAY + DAY // 24


@pytest.mark.parametrize(
    "change",
    [{"start": "9999-12-31"}, {"start": "0001-01-01"}, {"start": "2026-13-01"}, {"days": 0}, {"days": 93},
     {"days": "x"},
     {"shifts": []}, {"shifts": [{**DAY_AND_NIGHT[0], "skills": {"icu": 2}}]}, {"shifts": [DAY_AND_NIGHT[0]] * 2},
     {"shifts": [{**DAY_AND_NIGHT[0], "hours": 25}]}, {"shifts": [{**DAY_AND_NIGHT[0], "needed": -1}]},
     {"shifts": [{**DAY_AND_NIGHT[0], "at": "25:00"}]}, {"shifts": ["D"]}, {"ward": "Location/none"}],
)  # fmt: skip
async def test_a_rota_that_makes_no_sense_is_refused_with_what_to_change(ward: Ward, change: dict):
    fields = {"ward": "Location/ward", "start": "2026-10-05", "days": 1, "shifts": DAY_AND_NIGHT, **change}
    with pytest.raises(FhirError):
        await ward.ask("POST", "/rotas", fields, settled=False)


@pytest.mark.parametrize("month", ["0000-01", "9999-12", "2026-13", "2026"])
async def test_a_month_that_is_none_is_refused(ward: Ward, month: str):
    with pytest.raises(FhirError, match="YYYY-MM"):
        await ward.ask("GET", f"/payroll/{month}")


async def test_slots_of_others_that_can_not_be_worked_do_not_stop_a_rota(ward: Ward):
    id = await ward.rota(days=1)
    slot = (await ward.fhir.get(f"Slot?schedule=Schedule/{id}&_count=1")).json()["entry"][0]["resource"]
    for name, change in {
        "less": {"extension": [{"url": words.NEEDED, "valueInteger": -1}]},
        "backwards": {"start": slot["end"], "end": slot["start"]},
        "nothing": {"end": slot["start"]},
    }.items():
        await ward.fhir.create({**slot, "id": name, **change})
    await ward.settle()
    rota = await ward.ask("GET", f"/rotas/{id}")
    assert (rota["state"], rota["missing"], len(rota["shifts"])) == ("proposed", 0, 2)


async def test_a_schedule_without_shifts_is_a_rota_of_nothing(ward: Ward):
    schedule = {"resourceType": "Schedule", "id": "bare", "actor": [{"reference": "Location/ward"}],
                "extension": [{"url": words.ROTA, "valueCode": "proposed"}],
                "planningHorizon": {"start": "2026-10-05", "end": "2026-10-06"}}  # fmt: skip
    await ward.fhir.create(schedule)
    await ward.settle()
    assert (await ward.ask("GET", "/rotas/bare"))["shifts"] == []


async def test_who_is_not_on_the_ward_is_given_a_shift_only_by_an_override(ward: Ward):
    await ward.fhir.create(practitioner("eva"))
    await ward.fhir.create({name: value for name, value in role("eva").items() if name != "location"})
    id = await ward.rota(days=1)
    await ward.ask("POST", f"/rotas/{id}/publish")
    shift = (await ward.ask("GET", f"/rotas/{id}"))["shifts"][0]
    fields = {"from": shift["works"][0]["role"], "to": "eva-role", "reason": "nobody else"}
    with pytest.raises(FhirError, match="not on Location/ward"):
        await ward.ask("POST", f"/shifts/{shift['id']}/swap", fields)
    told = await ward.ask("POST", f"/shifts/{shift['id']}/swap", {**fields, "override": True})
    assert told["overridden"] == ["ward: the role is not on Location/ward"]
