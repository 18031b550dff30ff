"""Control numbers, counts and truncation."""

from pathlib import Path

import pytest

from fhir_server.core.errors import FhirError
from interfaces.x12.reader import read, write

GOOD = (Path(__file__).parents[3] / "data" / "x12" / "x12_277CA_accepted.txt").read_text()


def envelope(text):
    return [(each.code, each.segment, each.element) for each in read(text).problems() if each.kind == "envelope"]


def test_a_whole_file_has_no_problem():
    assert read(GOOD).problems() == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("SE*23*", "SE*22*", ("4", "SE", "SE01")),
        ("SE*23*000014420", "SE*23*000014421", ("3", "SE", "SE02")),
        ("GE*1*14420", "GE*2*14420", ("5", "GE", "GE01")),
        ("GE*1*14420", "GE*1*9", ("4", "GE", "GE02")),
        ("IEA*1*000014420", "IEA*1*000014421", ("001", "IEA", "IEA02")),
        ("IEA*1*", "IEA*3*", ("021", "IEA", "IEA01")),
    ],
)
def test_a_wrong_count_or_control_number_is_told(old, new, expected):
    assert envelope(GOOD.replace(old, new)) == [expected]


@pytest.mark.parametrize("left", range(107, len(GOOD) - 10, 97))
def test_a_truncated_file_says_so_and_keeps_what_there_is(left):
    text = GOOD[:left]
    document = read(text)
    assert any("truncated" in problem.message for problem in document.problems())
    assert write(document) == text


@pytest.mark.parametrize("text", ["", "ISA*00*", "hello", GOOD[:100], "ISA" + "*" * 50, GOOD[3:]])
def test_what_is_no_interchange_is_refused(text):
    with pytest.raises(FhirError, match="ISA"):
        read(text)


def test_a_control_number_that_comes_twice_in_a_group_is_told():
    st, se = GOOD.index("ST*277"), GOOD.index("GE*1")
    doubled = (GOOD[:se] + GOOD[st:se] + GOOD[se:]).replace("GE*1*", "GE*2*")
    assert envelope(doubled) == [("23", "ST", "ST02")]
