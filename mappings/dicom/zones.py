"""Times without an offset are the hospital's: its time zone says which (PS3.3 section C.12.1.1.8)."""

from __future__ import annotations

import datetime
import functools
import re
from zoneinfo import ZoneInfo

from fhir_server.core.errors import error
from mappings.dicom.engine import Model

OFFSET = "00080201"
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)?(\d\d)?")


def zoned(model: Model, zone: str, *moments: tuple[str, str]) -> Model:
    """A model with the zone's offset at the first of its moments (tags of a DA and a TM, or of a DT and "").

    Unchanged where it says its own offset, has none of the moments, or the zone is UTC.
    """
    if zone == "UTC" or _value(model, OFFSET):
        return model
    for date, time in moments:
        found = _DIGITS.match((_value(model, date) + (_value(model, time) if time else "")).replace(".", ""))
        if found:
            year, month, day, hour, minute = (int(part or 0) for part in found.groups())
            try:
                at = datetime.datetime(year, month, day, hour, minute, tzinfo=zone_named(zone))
            except ValueError:
                continue
            return {**model, OFFSET: {"vr": "SH", "Value": [at.strftime("%z")]}}
    return model


def local(moment: str, zone: str) -> str:
    """A dateTime of FHIR in the zone; as it is written where it has no time, or the zone is UTC."""
    if zone == "UTC" or "T" not in moment:
        return moment
    try:
        at = datetime.datetime.fromisoformat(moment)
    except ValueError:
        return moment
    return at.astimezone(zone_named(zone)).isoformat() if at.tzinfo else moment


@functools.lru_cache(maxsize=8)
def zone_named(name: str) -> ZoneInfo:
    """A time zone; FhirError "value" where there is none of that name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as problem:
        raise error("value", f"timezone {name!r} is no IANA time zone, such as Europe/Berlin.") from problem


def _value(model: Model, tag: str) -> str:
    values = model.get(tag, {}).get("Value") or [""]
    return str(values[0] or "")
