"""How stored ranges are compared with what is asked: the comparators of core.query as SQL, one table for each kind.

Each is a test over the columns {low} and {high}, and ways to drive: SELECTs which together give every row for which the
test holds, each by a range of an index. The index tables are clustered by low. Where high decides, nearly all rows are
narrow, so that low can't be far away; the few wide ones have an index by high of their own. Letters after a piece say
which values its question marks take.
"""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.core.query import Comparator

WIDE = 86_400_000_000  # microseconds: a date whose range is wider is also indexed by its end


class Way(NamedTuple):
    """A condition that an index serves, beside the test; wide: the index by high, of wide ranges only."""

    condition: str
    values: str
    wide: bool = False


class Comparison(NamedTuple):
    """test and its values, and the ways to drive, each to be read with the test."""

    test: str
    values: str
    ways: tuple[Way, ...]


# L, H: the range asked, both ends inclusive; A, B: a narrow row's low is not less if its high is L, H; M: the smaller
# of B and L - 1
DATES: dict[Comparator, Comparison] = {
    "eq": Comparison(
        "{low} >= ? AND {high} <= ?", "LH", (Way("{low} >= ? AND {low} <= ?", "LH"),)
    ),
    "ne": Comparison("({low} < ? OR {high} > ?)", "LH", (Way("1", ""),)),
    "gt": Comparison("{high} > ?", "H", (Way("{low} > ?", "B"), Way("{high} > ? AND {low} <= ?", "HB", True))),
    "lt": Comparison("{low} < ?", "L", (Way("1", ""),)),
    "ge": Comparison(
        "({high} > ? OR {low} >= ?)", "HL", (Way("{low} > ?", "M"), Way("{high} > ? AND {low} <= ?", "HM", True))
    ),
    "le": Comparison("({low} < ? OR {high} <= ?)", "LH", (Way("{low} <= ?", "H"),)),
    "sa": Comparison("{low} > ?", "H", (Way("1", ""),)),
    "eb": Comparison("{high} < ?", "L", (Way("{low} < ?", "L"),)),
    "ap": Comparison(
        "{low} <= ? AND {high} >= ?", "HL", (Way("{low} >= ?", "A"), Way("{high} >= ? AND {low} < ?", "LA", True))
    ),
    "co": Comparison(
        "{low} <= ? AND {high} >= ?", "LH", (Way("{low} >= ?", "B"), Way("{high} >= ? AND {low} < ?", "HB", True))
    ),
}  # fmt: skip

# V: the number asked; L, H: the range that it stands for, without H itself but for ap. A row is narrow where low equals
# high.
NUMBERS: dict[Comparator, Comparison] = {
    "eq": Comparison("{low} >= ? AND {high} < ?", "LH", (Way("{low} >= ? AND {low} < ?", "LH"),)),
    "ne": Comparison("({low} < ? OR {high} >= ?)", "LH", (Way("1", ""),)),
    "gt": Comparison("{high} > ?", "V", (Way("{low} > ?", "V"), Way("{high} > ? AND {low} <= ?", "VV", True))),
    "lt": Comparison("{low} < ?", "V", (Way("1", ""),)),
    "ge": Comparison("{high} >= ?", "V", (Way("{low} >= ?", "V"), Way("{high} >= ? AND {low} < ?", "VV", True))),
    "le": Comparison("{low} <= ?", "V", (Way("1", ""),)),
    "sa": Comparison("{low} > ?", "V", (Way("1", ""),)),
    "eb": Comparison("{high} < ?", "V", (Way("{low} < ?", "V"),)),
    "ap": Comparison(
        "{low} <= ? AND {high} >= ?", "HL", (Way("{low} >= ?", "L"), Way("{high} >= ? AND {low} < ?", "LL", True))
    ),
    "co": Comparison(
        "{low} <= ? AND {high} >= ?", "LH", (Way("{low} >= ?", "H"), Way("{high} >= ? AND {low} < ?", "HH", True))
    ),
}  # fmt: skip


def date_values(low: int, high: int) -> dict[str, int]:
    """What the letters of DATES stand for."""
    before_high, before_low = high - WIDE, low - WIDE
    return {"L": low, "H": high, "B": before_high, "A": before_low, "M": min(before_high, low - 1)}


def number_values(value: float, low: float, high: float) -> dict[str, float]:
    """What the letters of NUMBERS stand for."""
    return {"V": value, "L": low, "H": high}
