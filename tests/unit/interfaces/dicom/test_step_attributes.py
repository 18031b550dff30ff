"""What a Unified Procedure Step must have and may not have; the cases are of PS3.4 table CC.2.5-3."""

from __future__ import annotations

from typing import Any

import pytest

from interfaces.dicom.archive.matching import matches
from interfaces.dicom.workitems.attributes import check_created, check_set, lacking
from interfaces.dicom.workitems.statuses import Refused

CODE = {"00080100": {"vr": "SH", "Value": ["1"]}}
PUSH, UID = "1.2.840.10008.5.1.4.34.6.1", "1.2.3"


def element(vr: str, *values: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)}


def step(**others: Any) -> dict[str, Any]:
    return {
        "00741000": element("CS", "SCHEDULED"),
        "00404005": element("DT", "20260101100000"),
        "00404041": element("CS", "READY"),
        "00741200": element("CS", "LOW"),
        "00741204": element("LO", "Print"),
        **others,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"00404021": element("LO", "no sequence")},
        {"00741204": element("SQ", CODE)},
        {"0040A370": element("SQ", {"00080051": element("LO", "deep")})},
    ],
)
def test_a_sequence_is_one_at_any_depth(wrong: dict[str, Any]):
    check_created(step(), PUSH, UID)
    with pytest.raises(Refused) as caught:
        check_created(step(**wrong), PUSH, UID)
    assert caught.value.code == 0x0106 and "VR" in caught.value.comment


def test_private_attributes_are_taken_as_they_are():
    check_created(step(**{"00091001": element("LO", "x"), "00091002": element("SQ", CODE)}), PUSH, UID)


@pytest.mark.parametrize("tag", ["00080016", "00404010", "00100010", "0040A370", "00380010"])
def test_what_only_a_creation_or_the_service_sets(tag: str):
    with pytest.raises(Refused) as caught:
        check_set({tag: {"vr": "LO"}})
    assert caught.value.code == 0x0105


def test_a_final_state_needs_its_attributes_of_every_item():
    done = {
        "00404028": element("SQ", CODE),
        "00404050": element("DT", "20260101"),
        "00404019": element("SQ", CODE),
        "00404051": element("DT", "20260101"),
        "00404033": {"vr": "SQ"},
    }
    assert lacking(step(), "COMPLETED") == "Unified Procedure Step Performed Procedure Sequence"
    assert lacking(step(**{"00741216": element("SQ", done)}), "COMPLETED") == ""
    for tag in done:
        part = {name: value for name, value in done.items() if name != tag}
        assert lacking(step(**{"00741216": element("SQ", done, part)}), "COMPLETED"), tag
    stopped = {"00404052": element("DT", "20260101"), "0074100E": element("SQ", CODE)}
    assert lacking(step(**{"00741002": element("SQ", stopped)}), "CANCELED") == ""
    assert lacking(step(**{"00741002": element("SQ", {})}), "CANCELED")


def test_keys_of_another_kind_than_the_value_match_nothing():
    assert not matches(step(), {"00741204": element("SQ", CODE)})
    assert not matches(step(**{"00100010": element("SQ", CODE)}), {"00100010": element("PN", {"Alphabetic": "x"})})
