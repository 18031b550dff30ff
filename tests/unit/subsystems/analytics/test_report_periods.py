"""Days, weeks and months that have ended, in the hospital's time."""

import datetime
from zoneinfo import ZoneInfo

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.subsystems.analytics.reports.periods import ended, next_due, parsed

BERLIN = ZoneInfo("Europe/Berlin")


def at(text: str) -> int:
    return int(datetime.datetime.fromisoformat(text).replace(tzinfo=BERLIN).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    ("every", "now", "period", "following"),
    [
        ("day", "2026-03-01T05:59", "2026-02-27", "2026-03-01T06:00:00+01:00"),
        ("day", "2026-03-01T06:00", "2026-02-28", "2026-03-02T06:00:00+01:00"),
        ("month", "2026-03-01T05:59", "2026-01", "2026-03-01T06:00:00+01:00"),
        ("month", "2026-03-01T06:00", "2026-02", "2026-04-01T06:00:00+02:00"),
        ("month", "2026-12-31T23:59", "2026-11", "2027-01-01T06:00:00+01:00"),
        ("week", "2027-01-04T06:00", "2026-W53", "2027-01-11T06:00:00+01:00"),
        ("week", "2027-01-03T23:00", "2026-W52", "2027-01-04T06:00:00+01:00"),
    ],
)
def test_a_period_is_due_when_its_time_of_day_has_come(every: str, now: str, period: str, following: str):
    assert ended(every, "06:00", at(now), BERLIN).name == period
    assert next_due(every, "06:00", at(now), BERLIN).isoformat() == following
    assert parsed(every, period).name == period


def test_bounds_are_midnights_of_the_hospital_in_utc():
    start, end = parsed("month", "2026-03").bounds(BERLIN)
    assert (start.isoformat(), end.isoformat()) == ("2026-02-28T23:00:00", "2026-03-31T22:00:00")


@pytest.mark.parametrize(
    ("every", "name"),
    [("day", "2026-02-30"), ("day", "2026-02"), ("week", "2026-W54"), ("week", "2025-W53"), ("month", "2026-13"),
     ("month", "2026-1"), ("month", "٢٠٢٦-01"), ("month", "../x"), ("day", "")],
)  # fmt: skip
def test_what_names_no_period_is_refused(every: str, name: str):
    with pytest.raises(FhirError, match="such as"):
        parsed(every, name)
