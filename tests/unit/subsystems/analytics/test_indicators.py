"""Indicators against counts that know nothing of views and SQL."""

import datetime
import json
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server import definitions as r4
from fhir_server.core.errors import FhirError
from fhir_server.loading.sources import Document, documents
from fhir_server.samples import ARCHIVE
from fhir_server.subsystems.analytics.indicators import Month, by_month, consecutive, indicators, named, rows_of
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.subsystems.analytics.query import LakeQuery
from fhir_server.subsystems.subsystem import Change, Portion
from fhir_server.views.library import SHIPPED, Library

ALL = indicators()


def lake_of(folder: Path, resources: list[dict[str, Any]], timezone: str = "UTC") -> LakeQuery:
    lake = Lake(folder)
    changes = [
        Change(n, each["resourceType"], each["id"], 1, "PUT", "2026-01-01T00:00:00.000Z",
               msgspec.Raw(json.dumps(each).encode()))
        for n, each in enumerate(resources, 1)
    ]  # fmt: skip
    lake.take(Portion(changes, len(changes), len(changes)))
    return LakeQuery(lake, Library([SHIPPED], r4.load()), r4.load(), timezone)


@pytest.fixture(scope="module")
def stays() -> list[dict[str, Any]]:
    """The encounters of the sample patients, with references as a server resolves them."""
    entries = [
        entry
        for document in documents([ARCHIVE])
        if isinstance(document, Document)
        for entry in json.load(document.stream)["entry"]
    ]
    types = {entry["fullUrl"].removeprefix("urn:uuid:"): entry["resource"]["resourceType"] for entry in entries}
    found = []
    for entry in entries:
        if entry["resource"]["resourceType"] == "Encounter":
            text = re.sub('"urn:uuid:([^"]+)"', lambda m: f'"{types[m[1]]}/{m[1]}"', json.dumps(entry["resource"]))
            found.append({**json.loads(text), "id": entry["fullUrl"].rpartition(":")[2]})
    return found


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).astimezone(datetime.UTC)


def test_stays_of_the_sample_patients(stays: list[dict[str, Any]], tmp_path: Path):
    asked = lake_of(tmp_path / "lake", stays)
    inpatient = [
        (each["subject"]["reference"], moment(each["period"]["start"]), moment(each["period"]["end"]))
        for each in stays
        if each["class"]["code"] in ("IMP", "ACUTE", "NONAC")
    ]
    assert len(inpatient) > 10
    admissions = Counter(f"{began:%Y-%m}" for _, began, _ in inpatient)
    assert {m.month: m.value for m in by_month(asked, ALL["admissions"])} == admissions
    days: dict[str, list[float]] = defaultdict(list)
    back: dict[str, list[bool]] = defaultdict(list)
    for who, _, ended in inpatient:
        again = [b for other, b, _ in inpatient if other == who and b > ended]
        back[f"{ended:%Y-%m}"].append(any((b.date() - ended.date()).days <= 30 for b in again))
    for _, began, ended in inpatient:
        days[f"{ended:%Y-%m}"].append((ended - began).total_seconds() / 86400)
    for name, expected in (
        ("bed_days", {month: sum(each) for month, each in days.items()}),
        ("length_of_stay", {month: sum(each) / len(each) for month, each in days.items()}),
        ("readmissions_30_days", {month: sum(each) / len(each) for month, each in back.items()}),
    ):
        found = {month.month: month.value for month in by_month(asked, ALL[name])}
        assert found == pytest.approx(expected), name
    busiest = max(admissions, key=lambda month: admissions[month])
    assert len(rows_of(asked, ALL["admissions"], busiest).rows) == admissions[busiest]


def test_months_without_rows_are_told():
    found = [Month("2025-11", 2.0, 2), Month("2026-02", 1.0, 1)]
    counted, mean = ALL["admissions"], ALL["readmissions_30_days"]
    between = [("2025-12", 0.0, 0), ("2026-01", 0.0, 0)]
    assert consecutive(counted, found, 13) == [found[0], *between, found[1]]
    assert consecutive(counted, found, 2, "2026-03") == [found[1], ("2026-03", 0.0, 0)]
    assert consecutive(mean, found, 3) == [("2025-12", None, 0), ("2026-01", None, 0), found[1]]
    assert consecutive(mean, [], 3) == [] and mean.met(None) is None


def test_an_indicator_whose_months_are_none_is_told(tmp_path: Path):
    odd = msgspec.structs.replace(ALL["admissions"], sql=["SELECT '2026-W01' AS month, 1.0 AS value"])
    with pytest.raises(FhirError, match="YYYY-MM"):
        by_month(lake_of(tmp_path / "lake", []), odd)


def test_orders_and_appointments(tmp_path: Path):
    reference = {"reference": "Patient/p"}
    order = {"resourceType": "ServiceRequest", "id": "o", "status": "active", "intent": "order", "subject": reference,
             "authoredOn": "2026-03-01T08:00:00Z"}  # fmt: skip
    report = {"resourceType": "DiagnosticReport", "id": "r", "status": "final", "code": {"text": "x"},
              "basedOn": [{"reference": "ServiceRequest/o"}], "issued": "2026-03-01T14:30:00+02:00"}  # fmt: skip
    visits = [
        {"resourceType": "Appointment", "id": f"a{n}", "status": status, "start": "2026-03-05T09:00:00Z",
         "participant": [{"actor": reference, "status": "accepted"}]}
        for n, status in enumerate(("noshow", "fulfilled", "fulfilled", "arrived", "booked"))
    ]  # fmt: skip
    asked = lake_of(tmp_path / "lake", [order, report, *visits])
    assert by_month(asked, ALL["order_to_result"]) == [("2026-03", 4.5, 1)]
    assert by_month(asked, ALL["no_shows"]) == [("2026-03", 0.25, 4)]
    assert ALL["no_shows"].met(0.25) is False
    assert rows_of(asked, ALL["no_shows"], "2026-03").rows[0] == ("Appointment/a0", "Patient/p", 1.0)


@pytest.mark.parametrize("month", ["2026-13", "2026", "2026-03-01", "march"])
def test_rows_of_what_is_no_month_are_refused(tmp_path: Path, month: str):
    with pytest.raises(FhirError, match="YYYY-MM"):
        rows_of(lake_of(tmp_path / "lake", []), ALL["admissions"], month)


def test_people_who_were_merged_and_conditions_that_do_not_hold_can_be_left_out(tmp_path: Path):
    link = [{"other": {"reference": "Patient/anna"}, "type": "replaced-by"}]
    patients = [
        {"resourceType": "Patient", "id": "anna"},
        {"resourceType": "Patient", "id": "twice", "active": False, "link": link},
    ]
    conditions = [
        {"resourceType": "Condition", "id": status, "subject": {"reference": "Patient/anna"},
         "code": {"coding": [{"code": "E11"}]}, "verificationStatus": {"coding": [{"code": status}]}}
        for status in ("confirmed", "refuted", "entered-in-error")
    ]  # fmt: skip
    asked = lake_of(tmp_path / "lake", [*patients, *conditions])
    assert asked.ask("SELECT patient, replaced_by FROM patients ORDER BY 1").rows == [
        ("Patient/anna", None),
        ("Patient/twice", "Patient/anna"),
    ]
    sql = "SELECT condition FROM conditions WHERE verification_status NOT IN ('refuted', 'entered-in-error')"
    assert asked.ask(sql).rows == [("Condition/confirmed",)]


def test_what_is_the_patients_to_pay_is_no_denial_and_what_is_taken_back_no_answer(tmp_path: Path):
    said = [("CLP02 1", 100), ("CLP02 1", 0), ("CLP02 1, denied", 0), ("CLP02 4, denied", 0), ("CLP02 22", -100),
            ("CLP02 22", 0), ("another's words", 0), ("another's words", 5), (None, 0)]  # fmt: skip
    answers = [
        {"resourceType": "ClaimResponse", "id": f"r{number}", "status": "active", "use": "claim",
         "outcome": "complete", "created": "2026-03-05", "request": {"reference": "Claim/c"},
         "patient": {"reference": "Patient/p"},
         **({"disposition": words} if words else {}), "payment": {"amount": {"value": paid}}}
        for number, (words, paid) in enumerate(said)
    ]  # fmt: skip
    asked = lake_of(tmp_path / "lake", answers)
    denied = {row[0]: row[2] for row in rows_of(asked, ALL["denial_rate"], "2026-03").rows}
    assert denied == {f"ClaimResponse/r{n}": value for n, value in
                      {0: 0, 1: 0, 2: 1, 3: 1, 6: 1, 7: 0, 8: 1}.items()}  # fmt: skip


def test_a_preauthorization_is_no_answered_claim(tmp_path: Path):
    answers = [
        {"resourceType": "ClaimResponse", "id": use, "status": "active", "use": use, "outcome": "complete",
         "created": "2026-03-05"}
        for use in ("claim", "preauthorization", "predetermination")
    ]  # fmt: skip
    asked = lake_of(tmp_path / "lake", answers)
    assert [row[0] for row in rows_of(asked, ALL["denial_rate"], "2026-03").rows] == ["ClaimResponse/claim"]


def test_what_is_part_of_a_stay_is_no_stay_of_its_own(tmp_path: Path):
    """A stay, its two wards, a bed of the second one; and of a child that was born then, which names its mother's."""
    of = {
        "stay": ("", "mother", "2026-03-01T08:00:00Z", "2026-03-11T08:00:00Z"),
        "first": ("stay", "mother", "2026-03-01T08:00:00Z", "2026-03-04T08:00:00Z"),
        "second": ("stay", "mother", "2026-03-04T09:00:00Z", "2026-03-11T08:00:00Z"),
        "bed": ("second", "mother", "2026-03-04T09:00:00Z", "2026-03-11T08:00:00Z"),
        "birth": ("stay", "child", "2026-03-05T08:00:00Z", "2026-03-07T08:00:00Z"),
        "clinic": ("visit", "mother", "2026-03-20T08:00:00Z", "2026-03-21T08:00:00Z"),
    }
    stays = [
        {"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "IMP"},
         "subject": {"reference": f"Patient/{who}"}, "period": {"start": start, "end": end},
         **({"partOf": {"reference": f"Encounter/{whole}"}} if whole else {})}
        for id, (whole, who, start, end) in of.items()
    ]  # fmt: skip
    visit = {"resourceType": "Encounter", "id": "visit", "status": "finished", "class": {"code": "AMB"},
             "subject": {"reference": "Patient/mother"}}  # fmt: skip
    asked = lake_of(tmp_path / "lake", [*stays, visit])
    assert by_month(asked, ALL["admissions"]) == [("2026-03", 3, 3)]
    assert by_month(asked, ALL["bed_days"]) == [("2026-03", 10 + 2 + 1, 3)]
    back = {row[0]: row[2] for row in rows_of(asked, ALL["readmissions_30_days"], "2026-03").rows}
    assert back == {"Encounter/stay": 1, "Encounter/birth": 0, "Encounter/clinic": 0}


def test_a_date_is_a_day_of_the_hospital(tmp_path: Path):
    asked = lake_of(tmp_path / "lake", [], "America/New_York")
    [row] = asked.ask(
        "SELECT moment('2026-11-02'), local_moment('2026-11-02'), "
        "moment('2026-11-02T00:30:00-05:00'), moment('2026-11')"
    ).rows
    midnight = datetime.datetime(2026, 11, 2, 5)
    assert row == (midnight, datetime.datetime(2026, 11, 2), midnight + datetime.timedelta(minutes=30), None)


@pytest.mark.parametrize(
    ("timezone", "month", "back"),
    [("America/New_York", "2026-10", 1), ("UTC", "2026-11", 0), ("Asia/Tokyo", "2026-11", 1)],
)
def test_months_and_days_are_those_of_the_hospital(tmp_path: Path, timezone: str, month: str, back: int):
    """Admitted in the evening of 31 October in New York; who comes back does so on 2 December in UTC, a day later."""
    spans = {
        "evening": ("2026-10-31T22:00:00-04:00", "2026-11-01T12:00:00-05:00"),
        "later": ("2026-12-01T23:00:00-05:00", "2026-12-02T12:00:00-05:00"),
        "day": ("2026-11-01", "2026-11-02"),
    }
    stays = [
        {"resourceType": "Encounter", "id": id, "status": "finished", "class": {"code": "IMP"},
         "subject": {"reference": "Patient/other" if id == "day" else "Patient/p"},
         "period": {"start": start, "end": end}}
        for id, (start, end) in spans.items()
    ]  # fmt: skip
    asked = lake_of(tmp_path / "lake", stays, timezone)
    assert "Encounter/evening" in [row[0] for row in rows_of(asked, ALL["admissions"], month).rows]
    assert "Encounter/day" in [row[0] for row in rows_of(asked, ALL["admissions"], "2026-11").rows]
    found = rows_of(asked, ALL["readmissions_30_days"], "2026-11").rows
    assert next(row[2] for row in found if row[0] == "Encounter/evening") == back


def test_a_patient_who_comes_back_within_30_days_counts_and_one_who_comes_later_does_not(tmp_path: Path):
    stays = [
        {"resourceType": "Encounter", "id": f"{who}{n}", "status": "finished", "class": {"code": "IMP"},
         "subject": {"reference": f"Patient/{who}"}, "period": {"start": start, "end": end}}
        for who, first, second in (("a", "2026-01-05", "2026-01-20"), ("b", "2026-01-05", "2026-02-20"))
        for n, (start, end) in enumerate(((f"{first[:8]}01", first), (second, second)))
    ]  # fmt: skip
    asked = lake_of(tmp_path / "lake", stays)
    found = rows_of(asked, ALL["readmissions_30_days"], "2026-01").rows
    assert {row[0]: row[2] for row in found} == {"Encounter/a0": 1.0, "Encounter/b0": 0.0, "Encounter/a1": 0.0}


def test_stays_at_the_edges(tmp_path: Path):
    spans = {
        "first": ("finished", "2026-01-01T08:00:00Z", "2026-01-10T10:00:00Z"),
        "transfer": ("finished", "2026-01-10T10:00:00Z", "2026-01-15T10:00:00Z"),
        "day30": ("finished", "2026-02-14T23:00:00Z", "2026-02-15T01:00:00Z"),  # 30 days by the calendar
        "day31": ("finished", "2026-03-18T00:30:00Z", "2026-03-19T00:30:00Z"),
        "open": ("in-progress", "2026-05-01T08:00:00Z", None),
        "cancelled": ("cancelled", "2026-03-20T08:00:00Z", "2026-03-21T08:00:00Z"),
        "backwards": ("finished", "2026-06-10T08:00:00Z", "2026-06-01T08:00:00Z"),
    }
    stays = [
        {"resourceType": "Encounter", "id": id, "status": status, "class": {"code": "IMP"},
         "subject": {"reference": "Patient/p"}, "period": {"start": start, **({"end": end} if end else {})}}
        for id, (status, start, end) in spans.items()
    ]  # fmt: skip
    asked = lake_of(tmp_path / "lake", stays)
    back = {row[0]: row[2] for month in ("2026-01", "2026-02", "2026-03", "2026-05")
            for row in rows_of(asked, ALL["readmissions_30_days"], month).rows}  # fmt: skip
    assert back == {"Encounter/first": 0, "Encounter/transfer": 1, "Encounter/day30": 0, "Encounter/day31": 0}
    days = {month.month: month.value for month in by_month(asked, ALL["bed_days"])}
    assert days == pytest.approx({"2026-01": 9 + 2 / 24 + 5, "2026-02": 2 / 24, "2026-03": 1})
    assert sum(month.rows for month in by_month(asked, ALL["admissions"])) == 6


def test_wrong_names_and_files_are_told(tmp_path: Path):
    with pytest.raises(FhirError, match="Did you mean no_shows"):
        named(ALL, "noshows")
    (tmp_path / "mine.json").write_text('{"name": "mine"}')
    with pytest.raises(FhirError, match=r"mine\.json is no indicator"):
        indicators(tmp_path)
