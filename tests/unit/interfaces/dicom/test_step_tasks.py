"""A Unified Procedure Step as a Task."""

from __future__ import annotations

from typing import Any

import pytest

from mappings.dicom.conversions import date_time
from mappings.dicom.task import is_procedure_step, step_uid, task, updated
from tests.unit.interfaces.dicom.test_step_attributes import element, step


def made(**others: Any) -> dict[str, Any]:
    given = {
        "subject": "Patient/1",
        "based_on": [],
        "requester": "DESK",
        "performer": "",
        "created": "2026-01-01T00:00:00Z",
    }
    return task("1.2.3", step(**others), **given)


@pytest.mark.parametrize(
    ("value", "offset", "expected"),
    [
        ("2026", "", "2026"),
        ("202602", "", "2026-02"),
        ("20260203", "", "2026-02-03"),
        ("2026020304", "", "2026-02-03T04:00:00Z"),
        ("20260203040506.789", "", "2026-02-03T04:05:06.789Z"),
        ("20260203040506+0130", "", "2026-02-03T04:05:06+01:30"),
        ("20260203040506", "-0500", "2026-02-03T04:05:06-05:00"),
        ("20261303", "", None),
        ("soon", "", None),
    ],
)
def test_a_dt_is_a_date_time(value: str, offset: str, expected: str | None):
    assert date_time([value], {"00080201": element("SH", offset)}) == expected


def test_a_step_that_somebody_is_named_for_is_accepted():
    human = {"00404037": element("PN", {"Alphabetic": "Doe^Jane"})}
    assert made()["status"] == "requested" and "owner" not in made()
    named = made(**{"00404034": element("SQ", human)})
    assert (named["status"], named["owner"]) == ("accepted", {"display": "Doe Jane"})


def test_an_end_before_the_beginning_is_left_out():
    period = made(**{"00404011": element("DT", "20250101")})["restriction"]["period"]
    assert period == {"start": "2026-01-01T10:00:00Z"}


def test_what_others_wrote_into_the_task_stays():
    ours = made(**{"00400400": element("LT", "First")})
    current = {**ours, "id": "t", "note": [{"text": "Theirs"}], "identifier": [*ours["identifier"], {"value": "17"}]}
    again = updated({**current, "output": [{"type": {"text": "x"}, "valueString": "y"}]}, made())
    assert (again["id"], again["note"]) == ("t", [{"text": "Theirs"}])
    assert again["identifier"] == current["identifier"] and "output" not in again
    assert is_procedure_step(again) and step_uid(again) == "1.2.3"
