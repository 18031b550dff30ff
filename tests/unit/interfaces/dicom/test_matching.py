"""Keys against what an item has."""

from __future__ import annotations

import pytest

from interfaces.dicom.archive.matching import matches
from interfaces.dicom.services.identifiers import answer
from interfaces.dicom.services.worklist import supported

NAME = {"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}
STEP = {"00080060": {"vr": "CS", "Value": ["CT"]}, "00400001": {"vr": "AE"}}
ITEM = {"00100010": {"vr": "PN", "Value": [NAME]}, "00400100": {"vr": "SQ", "Value": [STEP]}, "00321064": {"vr": "SQ"}}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"Alphabetic": "yamada*"}, True),
        ({"Alphabetic": "山田*"}, True),
        ({"Ideographic": "山田*"}, True),
        ({"Alphabetic": "*", "Ideographic": "山田*"}, True),
        ({"Alphabetic": "*", "Ideographic": "田中*"}, False),
        ({"Alphabetic": "Yamada*", "Phonetic": "やまだ*"}, True),
        ({"Alphabetic": "Tanaka*", "Phonetic": "やまだ*"}, False),
        ({"Phonetic": "山田*"}, False),
    ],
)
def test_names_match_by_their_groups(wanted, found):
    assert matches(ITEM, {"00100010": {"vr": "PN", "Value": [wanted]}}) is found


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"00104000": {"vr": "LT", "Value": ["x"]}, "00091001": {"vr": "LO", "Value": ["x"]}}, True),
        ({"00400100": {"vr": "SQ", "Value": [{"00400999": {"vr": "LO", "Value": ["x"]}}]}}, True),
        ({"00400100": {"vr": "SQ", "Value": [{"00400001": {"vr": "AE", "Value": ["CT1"]}}]}}, False),
        ({"00321064": {"vr": "SQ", "Value": [{"00080100": {"vr": "SH", "Value": ["1"]}}]}}, False),
    ],
)
def test_keys_that_no_item_has_match_everything(keys, found):
    assert matches(ITEM, supported(keys, ITEM)) is found


def test_what_is_asked_for_as_a_sequence_and_is_none_is_answered_empty():
    key = {"00200013": {"vr": "SQ", "Value": [{"00081060": {"vr": "PN"}}]}}
    assert answer({"00200013": {"vr": "IS", "Value": [1]}}, key) == {"00200013": {"vr": "SQ"}}


@pytest.mark.parametrize(
    ("value", "wanted", "found"),
    [
        ("20260101100000+0200", "20260101080000+0000", True),
        ("20260101100000+0200", "202601010800+0000", True),
        ("20260101100000+0200", "20260101100000+0000", False),
        ("20260101003000.5+0100", "20251231233000+0000-20251231233001+0000", True),
        ("20260101003000+0100", "20251231234000+0000-", False),
        ("20260101003000+0100", "-20251231234000+0000", True),
        ("20260101100000+0200", "20260101100000", True),
        ("20260101100000", "20260101100000+0500", True),
        ("20260101100000+0200", "20260101", True),
        ("20261301100000+0200", "20261301100000+0200", True),
        ("00010101000000+0200", "00010101000000+0200", True),
    ],
)
def test_moments_with_offsets_are_compared_in_one_zone(value, wanted, found):
    item = {"00404005": {"vr": "DT", "Value": [value]}}
    assert matches(item, {"00404005": {"vr": "DT", "Value": [wanted]}}) is found
