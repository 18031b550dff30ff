"""Time that was worked, and what is paid for it."""

import asyncio
import csv
import io
from decimal import Decimal
from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.workforce.pay import easter, pay_rules
from tests.conftest import Fhir
from tests.unit.subsystems.workforce.ward import Ward, practitioner, role

pytestmark = pytest.mark.anyio


def lines(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode())))


async def record(ward: Ward, start: str, end: str) -> None:
    await ward.ask("POST", "/times", {"role": "PractitionerRole/anna-role", "start": start, "end": end})


async def test_payroll_has_differentials_and_its_journal_balances(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    await record(ward, "2026-10-05T18:00:00+02:00", "2026-10-06T04:00:00+02:00")  # Monday: 10 h, of them 8 by night
    await record(ward, "2026-10-10T08:00:00+02:00", "2026-10-10T18:00:00+02:00")  # Saturday: 10 h
    [row] = lines(await ward.ask("GET", "/payroll/2026-10"))
    assert (row["hours"], row["night"], row["weekend"], row["overtime"]) == ("20.00", "8.00", "10.00", "0.00")
    assert Decimal(row["pay"]) == 20 * 30 + 8 * Decimal("7.5") + 10 * 15
    journal = lines(await ward.ask("GET", "/journal/2026-10"))
    assert sum(Decimal(line["debit"]) - Decimal(line["credit"]) for line in journal) == 0
    assert {line["for"] for line in journal if line["account"].startswith("6000")} == {"base", "night", "weekend"}


async def test_overtime_is_what_passes_a_week(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    for day in range(5, 10):
        await record(ward, f"2026-10-{day:02}T08:00:00+02:00", f"2026-10-{day:02}T17:00:00+02:00")
    [row] = lines(await ward.ask("GET", "/payroll/2026-10"))
    assert (row["hours"], row["overtime"]) == ("45.00", "5.00")


async def test_a_night_over_the_end_of_summer_time_is_as_long_as_it_was(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    await record(ward, "2026-10-24T22:00:00+02:00", "2026-10-25T06:00:00+01:00")
    [row] = lines(await ward.ask("GET", "/payroll/2026-10"))
    assert (row["hours"], row["night"]) == ("9.00", "9.00")


@pytest.mark.parametrize(
    ("start", "end", "hours", "early"),
    [
        ("2026-10-24T22:00:00+02:00", "2026-10-25T06:00:00+01:00", "9.00", "3.00"),  # 02:30 comes twice
        ("2026-03-28T22:00:00+01:00", "2026-03-29T06:00:00+02:00", "7.00", "2.00"),  # 02:30 does not come
        ("2026-12-31T22:00:00+01:00", "2027-01-01T06:00:00+01:00", "2.00", "0.00"),  # December's part
    ],
)
async def test_a_differential_holds_by_the_clock_where_it_is_put_forward_or_back(
    fhir: Fhir, tmp_path: Path, start: str, end: str, hours: str, early: str
):
    file = tmp_path / "pay.json"
    file.write_text("""{"accounts": {"wages": "W", "payable": "P"}, "differentials": [
        {"name": "early", "percent": 10, "from": "02:30", "to": "05:00"}]}""")
    ward = await Ward(fhir, tmp_path).open("anna")
    ward.workforce.pay = pay_rules(file)
    await record(ward, start, end)
    [row] = lines(await ward.ask("GET", f"/payroll/{start[:7]}"))
    assert (row["hours"], row["early"]) == (hours, early)


async def test_what_is_paid_beside_the_rate_is_data(fhir: Fhir, tmp_path: Path):
    file = tmp_path / "pay.json"
    file.write_text("""{"accounts": {"wages": "W", "payable": "P"}, "differentials": [
        {"name": "late", "percent": 10, "from": "18:00", "to": "22:00"},
        {"name": "sunday", "percent": 30, "days": ["Sun"]},
        {"name": "holiday", "percent": 100, "holidays": true, "instead_of": ["sunday"]}],
        "holidays": [{"name": "Unity", "every": "10-03"}, {"name": "Easter", "easter": 0}]}""")
    ward = await Ward(fhir, tmp_path).open("anna")
    ward.workforce.pay = pay_rules(file)
    await record(ward, "2026-04-04T20:30:30+02:00", "2026-04-05T04:00:00+02:00")  # into the night of Easter Sunday
    await record(ward, "2026-04-12T08:00:00+02:00", "2026-04-12T10:00:00+02:00")  # another Sunday
    [row] = lines(await ward.ask("GET", "/payroll/2026-04"))
    assert (row["hours"], row["late"], row["sunday"], row["holiday"]) == ("9.49", "1.49", "2.00", "4.00")
    journal = lines(await ward.ask("GET", "/journal/2026-04"))
    assert {line["account"] for line in journal} == {"W", "P"}
    assert sum(Decimal(line["debit"]) - Decimal(line["credit"]) for line in journal) == 0


@pytest.mark.parametrize(("year", "day"), [(1818, "03-22"), (2000, "04-23"), (2025, "04-20"), (2026, "04-05"),
                                           (2027, "03-28"), (2038, "04-25")])  # fmt: skip
def test_easter(year: int, day: str):
    assert f"{easter(year):%m-%d}" == day


@pytest.mark.parametrize(
    ("differential", "said"),
    [
        ('{"name": "x", "percent": 10}', "x needs a condition"),
        ('{"name": "x", "percent": 10, "from": "18:00"}', "needs both from and to"),
        ('{"name": "x", "percent": 10, "days": ["Sonntag"]}', "Invalid enum value"),
        ('{"name": "x", "percent": -1, "holidays": true}', "percent from 0"),
        ('{"name": "base", "percent": 1, "holidays": true}', "take another"),
        ('{"name": "x", "percent": 1, "holidays": true, "instead_of": ["y"]}', "instead of y"),
        ('{"name": "x", "percent": 1, "holiday": true}', "unknown field"),
    ],
)
def test_wrong_rules_of_pay_are_named(tmp_path: Path, differential: str, said: str):
    file = tmp_path / "pay.json"
    file.write_text('{"accounts": {"wages": "W", "payable": "P"}, "differentials": [' + differential + "]}")
    with pytest.raises(FhirError, match=said):
        pay_rules(file)


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("2026-10-05T10:00:00Z", "2026-10-05T09:00:00Z", "end must be after start"),
        ("2026-10-05T10:00:00Z", "2026-10-07T09:00:00Z", "within 24 hours"),
        ("2026-10-05", "2026-10-06", "must be times"),
        ("2026-10-05T10:00", "2026-10-05T18:00", "must be times"),
        ("2026-10-05T10:00:00", "2026-10-05T18:00:00", "must be times"),
        ("now", "later", "must be times"),
        ("2026-10-05T09:30:00Z", "2026-10-05T10:30:00Z", "overlaps"),
    ],
)
async def test_time_that_can_not_be_is_refused(fhir: Fhir, tmp_path: Path, start: str, end: str, said: str):
    ward = await Ward(fhir, tmp_path).open("anna")
    await record(ward, "2026-10-05T10:00:00Z", "2026-10-05T12:00:00Z")
    with pytest.raises(FhirError, match=said):
        await record(ward, start, end)


async def test_reports_of_compliance_and_performance(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna", "ben")
    await fhir.create(practitioner("ben", ends="2026-01-01"))
    await record(ward, "2026-10-05T08:00:00+02:00", "2026-10-05T18:00:00+02:00")
    await record(ward, "2026-10-05T22:00:00+02:00", "2026-10-06T02:00:00+02:00")
    await fhir.create({"resourceType": "Encounter", "status": "finished", "class": {"code": "IMP"},
                       "participant": [{"individual": {"reference": "Practitioner/anna"}}],
                       "period": {"start": "2026-10-05T09:00:00+02:00"}})  # fmt: skip
    await fhir.create({"resourceType": "Procedure", "status": "completed", "subject": {"reference": "Patient/p"},
                       "performer": [{"actor": {"reference": "Practitioner/anna"}}],
                       "performedDateTime": "2026-10-05"})  # fmt: skip
    await ward.settle()
    found = {each["name"]: each for each in (await ward.ask("GET", "/compliance"))["practitioners"]}
    assert (found["Anna"]["state"], found["Anna"]["short_rests"], found["Ben"]["state"]) == ("valid", 1, "ended")
    [anna] = (await ward.ask("GET", "/performance/2026-10"))["roles"]
    assert (anna["worked_hours"], anna["encounters"], anna["procedures"], anna["acts_per_hour"]) == (14, 1, 1, 0.14)


async def test_what_was_done_on_a_day_is_of_the_month_of_that_day_at_the_hospital(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path, zone="America/New_York").open("anna")
    await fhir.create({"resourceType": "Procedure", "status": "completed", "subject": {"reference": "Patient/p"},
                       "performer": [{"actor": {"reference": "Practitioner/anna"}}],
                       "performedDateTime": "2026-10-01"})  # fmt: skip
    await ward.settle()
    found = [(await ward.ask("GET", f"/performance/2026-{month}"))["roles"] for month in ("09", "10")]
    assert [[each["procedures"] for each in roles] for roles in found] == [[], [1]]


async def test_a_pause_within_a_shift_is_no_rest_that_was_too_short(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    await ward.rota(days=1, shifts=[{"kind": "D", "at": "08:00", "hours": 9, "needed": 1}])
    [slot] = await ward.found("Slot")
    for start, end in (("08", "12"), ("13", "17")):
        fields = {"role": "anna-role", "shift": slot["id"], "start": f"2026-10-05T{start}:00:00+02:00",
                  "end": f"2026-10-05T{end}:00:00+02:00"}  # fmt: skip
        await ward.ask("POST", "/times", fields)
    [anna] = (await ward.ask("GET", "/compliance"))["practitioners"]
    assert anna["short_rests"] == 0


async def test_two_who_record_the_same_hours_at_once_are_paid_once(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    told = [
        {"role": "PractitionerRole/anna-role", "start": f"2026-10-05T0{hour}:00:00Z", "end": "2026-10-05T12:00:00Z"}
        for hour in (6, 7, 8)
    ]
    answers = await asyncio.gather(
        *(ward.ask("POST", "/times", each, settled=False) for each in told), return_exceptions=True
    )
    assert [type(each) for each in answers] == [dict, FhirError, FhirError]
    assert "overlaps" in str(answers[1])
    await ward.settle()
    [row] = lines(await ward.ask("GET", "/payroll/2026-10"))
    assert row["hours"] == "6.00"


async def test_a_person_works_in_one_role_at_a_time(fhir: Fhir, tmp_path: Path):
    ward = await Ward(fhir, tmp_path).open("anna")
    await fhir.create({**role("anna"), "id": "anna-icu"})
    await ward.settle()
    await record(ward, "2026-10-05T06:00:00Z", "2026-10-05T12:00:00Z")
    other = {"role": "PractitionerRole/anna-icu", "start": "2026-10-05T11:00:00Z", "end": "2026-10-05T14:00:00Z"}
    with pytest.raises(FhirError, match="overlaps"):
        await ward.ask("POST", "/times", other)
    await ward.ask("POST", "/times", {**other, "start": "2026-10-05T12:00:00Z"})
