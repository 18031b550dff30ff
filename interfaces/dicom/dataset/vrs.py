"""Value representations (PS3.5 section 6.2), and the dictionary that gives a tag's (PS3.6)."""

from __future__ import annotations

import functools

LONGEST_UID = 64  # letters
_NAMES = [
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FD",
    "FL",
    "IS",
    "LO",
    "LT",
    "OB",
    "OD",
    "OF",
    "OL",
    "OV",
    "OW",
    "PN",
    "SH",
    "SL",
    "SQ",
    "SS",
    "ST",
    "SV",
    "TM",
    "UC",
    "UI",
    "UL",
    "UN",
    "UR",
    "US",
    "UT",
    "UV",
]
VRS = {name.encode(): name for name in _NAMES}
LONG = frozenset(
    ["OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"]
)  # two reserved bytes and a length of four
TEXT = frozenset(["LO", "LT", "PN", "SH", "ST", "UC", "UT"])  # written in the specific character set
SINGLE = frozenset(["LT", "ST", "UR", "UT"])  # a backslash in them is text
BULK = frozenset(["OB", "OD", "OF", "OL", "OV", "OW", "UN"])
NUMBERS = {"FD": "d", "FL": "f", "SL": "i", "SS": "h", "SV": "q", "UL": "I", "US": "H", "UV": "Q"}

WORDS = {"OD": "d", "OF": "f", "OL": "I", "OV": "Q", "OW": "H", **NUMBERS}  # VRs of more than one byte a word


@functools.lru_cache(maxsize=8192)
def vr_of(tag: int) -> str:
    """The VR that the dictionary gives a tag; UN for one that it does not know."""
    from pydicom.datadict import dictionary_VR

    if tag & 0xFFFF == 0:
        return "UL"
    try:
        vr = dictionary_VR(tag)
    except KeyError:
        return "LO" if tag >> 16 & 1 and 0x10 <= tag & 0xFFFF <= 0xFF else "UN"
    return vr[:2] if not vr.startswith("US or") else "US"


@functools.lru_cache(maxsize=8192)
def keyword_of(tag: int) -> str:
    """The keyword of a tag, "" for one without."""
    from pydicom.datadict import keyword_for_tag

    return keyword_for_tag(tag)


@functools.lru_cache(maxsize=8192)
def tag_of(name: str) -> int | None:
    """The tag that a keyword or eight hexadecimal digits name; None for neither."""
    from pydicom.datadict import tag_for_keyword

    if len(name) == 8:
        try:
            return int(name, 16)
        except ValueError:
            pass
    return tag_for_keyword(name)
