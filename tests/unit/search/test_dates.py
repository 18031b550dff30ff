import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.search.dates import DAY, HOUR, MINUTE, SECOND, date_range

EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def microseconds(*parts):
    return (datetime.datetime(*parts, tzinfo=datetime.UTC) - EPOCH) // datetime.timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("text", "low", "span"),
    [
        ("2013", microseconds(2013, 1, 1), 365 * DAY),
        ("2012", microseconds(2012, 1, 1), 366 * DAY),
        ("2012-02", microseconds(2012, 2, 1), 29 * DAY),
        ("1900-02", microseconds(1900, 2, 1), 28 * DAY),
        ("2013-12-31", microseconds(2013, 12, 31), DAY),
        ("2013-01-14T10:00", microseconds(2013, 1, 14, 10), MINUTE),
        ("2013-01-14T10:00+02:00", microseconds(2013, 1, 14, 8), MINUTE),
        ("2013-01-14T10:00:59", microseconds(2013, 1, 14, 10, 0, 59), SECOND),
        ("2013-01-14T10:00:00-05:30", microseconds(2013, 1, 14, 15, 30), SECOND),
        ("2013-01-14T10:00:00.5Z", microseconds(2013, 1, 14, 10) + 500_000, 100_000),
        ("2013-01-14T10:00:00.123456789Z", microseconds(2013, 1, 14, 10) + 123_456, 1),
        ("2013-01-14T24:00:00Z", microseconds(2013, 1, 15), SECOND),
    ],
)
def test_a_date_stands_for_its_span(text, low, span):
    assert date_range(text) == (low, low + span - 1)


@pytest.mark.parametrize(
    "text",
    ["", "x", "13", "2013-1", "2013-13", "2013-02-29", "20130101", "2013-01-14T", "2013-01-14T10", "2013-01-14T25:00",
     "2013-01-14T10:60", "2013-01-14T10:00:61Z", "2013-01-14T10:00:00.Z", "2013-01-14T10:00:00+15:00", "２０１３",
     "2013-01-14 10:00", "2013-01-14T10:00:00ZZ"],
)  # fmt: skip
def test_what_is_no_date_has_no_range(text):
    assert date_range(text) is None


@given(st.datetimes(min_value=datetime.datetime(1, 1, 2)), st.integers(-14 * 60, 14 * 60))
def test_dates_agree_with_datetime(moment, offset):
    zone = f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02d}:{abs(offset) % 60:02d}"
    utc = moment.replace(tzinfo=datetime.UTC)
    expected = (utc - EPOCH) // datetime.timedelta(microseconds=1) - offset * 60 * SECOND
    assert date_range(f"{moment.isoformat(timespec='microseconds')}{zone}") == (expected, expected)


@given(st.text(max_size=40))
def test_no_text_is_too_strange(text):
    found = date_range(text)
    assert found is None or found[1] - found[0] < 367 * DAY + HOUR
