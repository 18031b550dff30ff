"""What the workforce knows, read from FHIR; a resource that lacks what its kind must have gives None.

A day without a time, such as the last one of a leave, is one of the hospital's own time zone.
"""

from __future__ import annotations

import datetime
from collections.abc import Container, Iterable
from decimal import Decimal
from typing import Any

from fhir_server.core.keys import instant
from fhir_server.search.dates import date_range
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.models import (
    DAY,
    FULL_TIME,
    Assignment,
    Member,
    Person,
    Qualification,
    Rota,
    Shift,
    Worked,
)

Json = dict[str, Any]
MOST_NEEDED = 1000  # people of a shift
LONGEST = 7 * DAY  # of a shift


def person(resource: Json, version: int, zone: datetime.tzinfo, trainings: Container[str] = ()) -> Person:
    """Of a Practitioner; trainings: the codes of qualifications that are training."""
    found = [
        Qualification(*_coded(each.get("code", {})), moment(each.get("period", {}).get("end"), zone, last=True))
        for each in resource.get("qualification", ())
    ]
    tags = [(tag.get("system"), tag.get("code")) for tag in resource.get("meta", {}).get("tag", ())]
    blocked = (words.LABEL, words.BLOCKED) in tags
    return Person(
        resource["id"], version, _name(resource), resource.get("active", True) is not False,
        tuple(each for each in found if each.code not in trainings),
        tuple(each for each in found if each.code in trainings), blocked,
    )  # fmt: skip


def member(resource: Json, version: int, zone: datetime.tzinfo, who: Person | None) -> Member | None:
    """Of a PractitionerRole, with its Practitioner."""
    practitioner = target(resource.get("practitioner"), "Practitioner")
    if not practitioner:
        return None
    rate = extension(resource, words.RATE).get("valueMoney", {})
    hours = extension(resource, words.WEEKLY_HOURS).get("valueDecimal", FULL_TIME)
    likes = {
        extension(each, "shift").get("valueCode", ""): int(extension(each, "weight").get("valueInteger", 0))
        for each in extensions(resource, words.PREFERENCE)
    }
    period = resource.get("period", {})
    leave = tuple(
        span for each in resource.get("notAvailable", ()) if (span := _span(each.get("during", {}), zone)) is not None
    )
    return Member(
        id=resource["id"],
        version=version,
        practitioner=practitioner,
        name=who.name if who else practitioner,
        active=resource.get("active", True) is not False and (who is None or who.active),
        wards=frozenset(target(each, "Location") for each in resource.get("location", ())),
        skills=frozenset(code for each in resource.get("specialty", ()) for code in _codes(each)),
        hours=Decimal(str(hours)),
        rate=Decimal(str(rate.get("value", 0))),
        currency=str(rate.get("currency", "")),
        leave=leave,
        likes=likes,
        starts=moment(period.get("start"), zone),
        ends=moment(period.get("end"), zone, last=True),
        until=who.qualified_until() if who else None,
    )


def rota(resource: Json, version: int) -> Rota | None:
    """Of a Schedule of a ward."""
    wards = [ward for actor in resource.get("actor", ()) if (ward := target(actor, "Location"))]
    span = _span(resource.get("planningHorizon", {}))
    state = extension(resource, words.ROTA).get("valueCode", "")
    if len(wards) != 1 or span is None or not state:
        return None
    return Rota(resource["id"], version, wards[0], resource.get("comment", ""), *span, state)


def shift(resource: Json, version: int) -> Shift | None:
    """Of a Slot that says how many people it needs."""
    needed = extension(resource, words.NEEDED).get("valueInteger")
    span = moment(resource.get("start")), moment(resource.get("end"))
    if needed is None or span[0] is None or span[1] is None or resource.get("status") == "entered-in-error":
        return None
    if not 0 <= needed <= MOST_NEEDED or not 0 < span[1] - span[0] <= LONGEST:
        return None
    skills = {
        extension(each, "skill").get("valueCode", ""): int(extension(each, "number").get("valueInteger", 1))
        for each in extensions(resource, words.NEEDED_SKILL)
    }
    schedule = target(resource.get("schedule"), "Schedule")
    return Shift(
        resource["id"], version, schedule, _kind(resource), span[0], span[1], int(needed), skills, resource["status"]
    )


def assignment(resource: Json, version: int, role: str) -> Assignment | None:
    """Of a Slot that works a ward's Slot; role: of its Schedule."""
    worked = target(extension(resource, words.SHIFT).get("valueReference"), "Slot")
    start, end = moment(resource.get("start")), moment(resource.get("end"))
    if not worked or not role or start is None or end is None or resource.get("status") != "busy":
        return None
    if end <= start:
        return None
    override = extension(resource, words.OVERRIDE).get("valueString", "")
    return Assignment(resource["id"], version, worked, role, _kind(resource), start, end, "busy", override)


def worked(resource: Json, version: int) -> Worked | None:
    """Of a Basic that is a time entry."""
    if words.TIME_ENTRY not in _codes(resource.get("code", {})):
        return None
    span = _span(extension(resource, words.WORKED).get("valuePeriod", {}), exact=True)
    role = target(resource.get("subject"), "PractitionerRole")
    if span is None or not role:
        return None
    slot = target(extension(resource, words.SHIFT).get("valueReference"), "Slot")
    return Worked(resource["id"], version, role, slot, *span)


def moment(text: Any, zone: datetime.tzinfo = datetime.UTC, *, last: bool = False) -> int | None:
    """The first or the last microsecond of a FHIR date, which is one of a time zone, or time; None where there is
    none."""
    span = date_range(text) if isinstance(text, str) and text else None
    if span is None:
        return None
    first, end = span
    if "T" not in text:
        first, end = _local(first, zone), _local(end + 1, zone) - 1
    return end if last else first


def _local(midnight: int, zone: datetime.tzinfo) -> int:
    """When the day begins in a time zone that begins in UTC at a moment."""
    try:
        day = datetime.datetime.fromtimestamp(midnight // 1_000_000, datetime.UTC)
        return int(day.replace(tzinfo=zone).timestamp()) * 1_000_000
    except (OverflowError, ValueError, OSError):
        return midnight


def extensions(resource: Json, url: str) -> Iterable[Json]:
    """The extensions of a URL."""
    return [each for each in resource.get("extension", ()) if each.get("url") == url]


def extension(resource: Json, url: str) -> Json:
    """The first extension of a URL, {} for none."""
    return next(iter(extensions(resource, url)), {})


def target(given: Json | None, type: str) -> str:
    """The id that a reference to a type names, "" for none."""
    text = (given or {}).get("reference", "")
    found, _, id = text.partition("/_history/")[0].rpartition("/")
    return id if found.rpartition("/")[2] == type else ""


def day_of(moment: int | None, zone: datetime.tzinfo) -> str:
    """The day of a moment in a time zone, YYYY-MM-DD; "" for no moment."""
    if moment is None:
        return ""
    try:
        return datetime.datetime.fromtimestamp(moment // 1_000_000, zone).date().isoformat()
    except (OverflowError, ValueError, OSError):
        return instant(moment)[:10]


def _span(period: Json, zone: datetime.tzinfo = datetime.UTC, *, exact: bool = False) -> tuple[int, int] | None:
    start, end = moment(period.get("start"), zone), moment(period.get("end"), zone, last=not exact)
    return None if start is None or end is None or end < start else (start, end)


def _kind(resource: Json) -> str:
    return next((code for each in resource.get("serviceType", ()) for code in _codes(each)), "")


def _codes(concept: Json) -> list[str]:
    return [coding["code"] for coding in concept.get("coding", ()) if coding.get("code")]


def _coded(concept: Json) -> tuple[str, str]:
    text = concept.get("text") or next((c["display"] for c in concept.get("coding", ()) if c.get("display")), "")
    code = next(iter(_codes(concept)), text)
    return code, text or code


def _name(resource: Json) -> str:
    name = next(iter(resource.get("name", ())), {})
    written = name.get("text") or " ".join([*name.get("given", ()), *([name["family"]] if "family" in name else [])])
    return written or f"Practitioner/{resource['id']}"
