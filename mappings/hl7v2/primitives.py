"""v2 values as FHIR primitives; None where a value is no such primitive.

HL7 v2 DTM is YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ] (v2.9, 2A.3.22); a time without a zone is in the zone of MSH-7, else
in the site's. Specification of the targets: https://hl7.org/fhir/R4/datatypes.html#primitive
"""

from __future__ import annotations

import base64
import binascii
import datetime
import re
import zoneinfo
from decimal import Decimal
from typing import Any
from urllib.parse import quote

_DTM = re.compile(
    r"(\d{4})-?(?:(\d\d)-?(?:(\d\d)[T ]?(?:(\d\d):?(?:(\d\d):?(?:(\d\d)(?:[.,](\d{1,9}))?)?)?)?)?)?"
    r"\s*(Z|[+-]\d\d:?\d\d)?"
)
_TIME = re.compile(r"(\d\d):?(\d\d)?:?(\d\d)?(\.\d+)?([+-]\d{4})?")
_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
UNREADABLE = "\ufffd"
AUTHORITY = "urn:x-hl7v2:authority:"  # systems of authorities that are known by a name only
_TRUE, _FALSE = {"Y", "YES", "T", "TRUE", "1"}, {"N", "NO", "F", "FALSE", "0"}


def convert(value: str, type_name: str, zone: str = "Z") -> Any:
    """A v2 value as a primitive of this type; zone, for times that state none: Z, +hh:mm or a name."""
    value = readable(value.strip())
    if not value:
        return None
    reader = _READERS.get(type_name)
    if reader is None:
        return _text(value)
    return reader(value, zone)


def readable(text: str) -> str:
    """A text with U+FFFD in place of each byte that could not be read in the message's character set."""
    if text.isascii():
        return text
    return "".join([UNREADABLE if "\ud800" <= character <= "\udfff" else character for character in text])


def date_time(value: str, zone: str = "Z") -> str | None:
    """A dateTime as exact as the DTM: 2024, 2024-05, 2024-05-06 or with a time and its zone."""
    found = _DTM.fullmatch(value)
    if not found:
        return None
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    try:
        moment = datetime.datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0)
        )
    except ValueError:
        return None
    if hour is None:
        return "-".join(part for part in (year, month, day) if part)
    if offset and offset != "Z":
        offset = offset if ":" in offset else f"{offset[:3]}:{offset[3:]}"
        if int(offset[1:3]) > 14 or int(offset[4:6]) > 59:
            return None
    time = f"{hour}:{minute or '00'}:{second or '00'}" + (f".{fraction}" if fraction else "")
    return f"{year}-{month}-{day}T{time}{offset or offset_of(zone, moment)}"


def offset_of(zone: str, moment: datetime.datetime) -> str:
    """Z or +hh:mm: a zone's offset at a local time."""
    if zone == "Z" or zone[0] in "+-":
        return zone
    offset = moment.replace(tzinfo=zoneinfo.ZoneInfo(zone)).strftime("%z")
    return f"{offset[:3]}:{offset[3:5]}"


def is_zone(text: str) -> bool:
    """Whether a text names a zone: Z, +hh:mm, or a name of the time zone database."""
    if text == "Z" or re.fullmatch(r"[+-](0\d|1[0-4]):[0-5]\d", text):
        return True
    return "/" in text and text in zoneinfo.available_timezones()


def zone_of(value: str) -> str:
    """The zone that a DTM states as Z or +hh:mm, "" where it states none."""
    found = _DTM.fullmatch(value.strip())
    offset = found[8] if found else None
    if not offset or offset == "Z":
        return offset or ""
    return offset if ":" in offset else f"{offset[:3]}:{offset[3:]}"


def _date(value: str, zone: str) -> str | None:
    found = date_time(value, zone)
    return found[:10] if found else None


def _instant(value: str, zone: str) -> str | None:
    found = date_time(value, zone)
    if not found or len(found) < 10:
        return None
    if "T" in found:
        return found
    return f"{found}T00:00:00{offset_of(zone, datetime.datetime.fromisoformat(found))}"


def _time(value: str, zone: str) -> str | None:
    found = _TIME.fullmatch(value)
    if not found or int(found[1]) > 23 or int(found[2] or 0) > 59 or int(found[3] or 0) > 59:
        return None
    return f"{found[1]}:{found[2] or '00'}:{found[3] or '00'}{found[4] or ''}"


def _decimal(value: str, zone: str) -> Decimal | None:
    return Decimal(value) if _DECIMAL.fullmatch(value) else None


def _whole(least: int) -> Any:
    def read(value: str, zone: str) -> int | None:
        number = _decimal(value, zone)
        if number is None or number != number.to_integral_value() or not least <= number < 2**31:
            return None
        return int(number)

    return read


def _boolean(value: str, zone: str) -> bool | None:
    upper = value.upper()
    return True if upper in _TRUE else False if upper in _FALSE else None


def _code(value: str, zone: str) -> str | None:
    return " ".join(value.split()) or None


def _uri(value: str, zone: str) -> str | None:
    if value.startswith(AUTHORITY):  # a name, which may hold what a URI may not
        return AUTHORITY + quote(value.removeprefix(AUTHORITY), safe="")
    return None if re.search(r"\s", value) else value


def _base64(value: str, zone: str) -> str | None:
    return encoded(value, "Base64")


def _text(value: str) -> str:
    if value.isprintable():
        return value
    return "".join(character if character >= " " or character in "\t\n\r" else " " for character in value)


def encoded(value: str, encoding: str) -> str | None:
    """Data as base64: encoding is that of ED.4, A (as it is), Hex or Base64; None where the data is not in it."""
    kind = encoding.strip().upper()
    try:
        if kind == "HEX":
            return base64.b64encode(bytes.fromhex("".join(value.split()))).decode()
        if kind == "A":
            return base64.b64encode(value.encode()).decode()
        packed = "".join(value.split())
        return base64.b64encode(base64.b64decode(packed, validate=True)).decode() if packed else None
    except (ValueError, binascii.Error):
        return None


_READERS: dict[str, Any] = {
    "dateTime": date_time, "date": _date, "instant": _instant, "time": _time, "decimal": _decimal,
    "integer": _whole(-(2**31)), "unsignedInt": _whole(0), "positiveInt": _whole(1), "boolean": _boolean,
    "code": _code, "uri": _uri, "url": _uri, "canonical": _uri, "base64Binary": _base64,
}  # fmt: skip
