"""Attribute matching (PS3.4 section C.2.2.2): single value, list of UID, universal, wildcard, range, sequence."""

from __future__ import annotations

import datetime
import fnmatch
import functools
import re
from typing import Any

from interfaces.dicom.archive.names import folded
from interfaces.dicom.dataset.model import Model

WILD = frozenset(["AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"])  # VRs that take * and ?
RANGES = frozenset(["DA", "TM", "DT"])
CHARACTER_SET = "00080005"
_KINDS = {"DA": "date as 20260131, or range of two", "TM": "time as 235959, or range of two"}
_MOMENTS = {
    "DA": re.compile(r"(?=.*\d)(?:\d{4,8}|\d{4}\.\d\d\.\d\d)?\s*(?:-\s*(?:\d{4,8}|\d{4}\.\d\d\.\d\d)?)?\s*").fullmatch,
    "TM": re.compile(r"(?=.*\d)(?:[\d:]{2,8}(?:\.\d{1,6})?)?\s*(?:-\s*(?:[\d:]{2,8}(?:\.\d{1,6})?)?)?\s*").fullmatch,
}
# study, series, acquisition, content
DATES_WITH_TIMES = (
    ("00080020", "00080030"),
    ("00080021", "00080031"),
    ("00080022", "00080032"),
    ("00080023", "00080033"),
)


def matches(model: Model, keys: Model) -> bool:
    """Whether a model has what every key with a value asks for."""
    return all(_one(model.get(tag), key) for tag, key in keys.items() if tag != CHARACTER_SET and asked(key))


def wrong(keys: Model) -> str:
    """What is no date, time or range in keys; "" for nothing."""
    for tag, key in keys.items():
        for value in key.get("Value", ()):
            if key["vr"] == "SQ":
                problem = wrong(value)
                if problem:
                    return problem
            elif key["vr"] in _MOMENTS and value not in (None, "", "*") and not _MOMENTS[key["vr"]](str(value).strip()):
                return f"{tag} {str(value)[:24]}: no {_KINDS[key['vr']]}"
    return ""


def moments(keys: Model) -> list[tuple[str, str]]:
    """The pairs of a date and a time key that both ask for something, for combined matching."""
    return [pair for pair in DATES_WITH_TIMES if all(tag in keys and asked(keys[tag]) for tag in pair)]


def in_moments(model: Model, keys: Model, pairs: list[tuple[str, str]]) -> bool:
    """Whether each date with its time lies between the first of both and the last of both (PS3.4 C.2.2.2.5)."""
    for date, time in pairs:
        found = [as_text((model.get(tag, {}).get("Value") or [""])[0] or "") for tag in (date, time)]
        if not found[0]:
            return False
        days, times = (bounds(vr, as_text(keys[tag]["Value"][0])) for vr, tag in (("DA", date), ("TM", time)))
        low, high = ((days[end] or "0").ljust(8, "0")[:8] + (times[end] or "0").ljust(12, "0")[:12] for end in (0, 1))
        if not low <= _filled("DA", found[0], "0") + _filled("TM", found[1], "0") <= high:
            return False
    return True


def asked(key: dict[str, Any]) -> bool:
    """Whether a key restricts anything: neither empty, nor * alone, nor a sequence of such."""
    values = key.get("Value", ())
    if key["vr"] == "SQ":
        return any(asked(inner) for item in values for inner in item.values())
    return any(text not in ("", "*") for value in values if value is not None for text in _groups(value).values())


def as_text(value: Any) -> str:
    """A key's value as it is compared."""
    if isinstance(value, dict):
        return value.get("Alphabetic") or value.get("Ideographic") or value.get("Phonetic") or ""
    return str(value)


def _groups(value: Any) -> dict[str, str]:
    """The groups of a name; another value alone."""
    return value if isinstance(value, dict) else {"": str(value)}


def _one(found: dict[str, Any] | None, key: dict[str, Any]) -> bool:
    values = found.get("Value", ()) if found else ()
    vr = key["vr"]
    if vr == "SQ":
        return any(matches(item, key["Value"][0]) for item in values if isinstance(item, dict))
    if vr == "PN":
        return any(_name(each, wanted) for each in values if each for wanted in key["Value"] if wanted)
    wanted = [as_text(value) for value in key["Value"] if value is not None]
    return any(_value(vr, each, text) for each in values if each is not None for text in wanted)


def _name(value: Any, wanted: Any) -> bool:
    """Whether a name is one that is wanted: alphabetic letters alone by any of its groups, else group by group."""
    groups = {group: text for group, text in _groups(wanted).items() if text not in ("", "*")}
    known = _groups(value)
    if not groups.keys() - {"", "Alphabetic"}:
        return all(any(_like(text, each) for each in known.values()) for text in groups.values())
    return all(_like(text, known.get(group, "")) for group, text in groups.items())


def _like(wanted: str, text: Any) -> bool:
    return isinstance(text, str) and pattern(folded(wanted)).match(folded(text)) is not None


def _value(vr: str, value: Any, wanted: str) -> bool:
    text = str(value)
    if vr in RANGES:
        return in_range(vr, text, wanted)
    if vr in WILD and ("*" in wanted or "?" in wanted):
        return pattern(wanted).match(text) is not None
    if vr in ("IS", "DS"):
        return _number(text) == _number(wanted)
    return text == wanted


def _number(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@functools.lru_cache(maxsize=1024)
def pattern(wanted: str) -> re.Pattern[str]:
    """The expression of a text with * and ?; brackets have no meaning in it."""
    return re.compile(fnmatch.translate(wanted.replace("[", "[[]")), re.DOTALL)


def in_range(vr: str, value: str, wanted: str) -> bool:
    """Whether a date, time or date and time is the one wanted, or within a range of two with a hyphen.

    Moments are compared where all of them say their offset from UTC, else what the clocks showed.
    """
    parts = _parted(vr, wanted)
    if vr == "DT" and all(_ZONED(each) for each in (value, parts[0] or value, parts[2] or value)):
        value, parts = _in_utc(value), (_in_utc(parts[0]), parts[1], _in_utc(parts[2]))
    low, high = _bounds(vr, *parts)
    return low <= _filled(vr, value, "0") <= high


def bounds(vr: str, wanted: str) -> tuple[str, str]:
    """The first and the last moment of a key, each of full length."""
    return _bounds(vr, *_parted(vr, wanted))


def _bounds(vr: str, first: str, hyphen: str, last: str) -> tuple[str, str]:
    low = _filled(vr, first, "0") if first else ""
    return low, _filled(vr, last if hyphen else first, "9") if (last or not hyphen) else "9" * 26


_ZONED = re.compile(r"(\d{12})([\d.]*)([+-]\d{4})").fullmatch  # minutes, what is finer, offset


def _in_utc(moment: str) -> str:
    """A date and time without its offset; as it is where it is none."""
    found = _ZONED(moment)
    if found is None:
        return moment
    try:
        at = datetime.datetime.strptime(found[1] + found[3], "%Y%m%d%H%M%z").astimezone(datetime.UTC)
    except (ValueError, OverflowError):
        return moment
    return f"{at:%Y%m%d%H%M}{found[2]}"


def _parted(vr: str, wanted: str) -> tuple[str, str, str]:
    if vr == "DT":  # a hyphen can be an offset from UTC: 20260101120000-0500
        parts = re.fullmatch(r"(\d*(?:\.\d+)?(?:[+-]\d{4})?)-(\d*(?:\.\d+)?(?:[+-]\d{4})?)", wanted)
        if not parts or (re.fullmatch(r"\d+(?:\.\d+)?-\d{4}", wanted) and wanted[-4:] <= "1400"):
            return wanted, "", ""
        return parts[1], "-", parts[2]
    first, hyphen, last = wanted.partition("-")
    return first.strip(), hyphen, last.strip()


def _filled(vr: str, value: str, sign: str) -> str:
    digits = re.sub(r"[+-]\d{4}$", "", value) if vr == "DT" else value
    digits = re.sub(r"[.:]", "", digits)
    return digits.ljust({"DA": 8, "TM": 12, "DT": 20}[vr], sign)
