"""What the workforce knows, read from FHIR: members, shifts, assignments, rotas, hours worked.

Times are microseconds since 1970; a resource that lacks what its kind must have gives None.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from decimal import Decimal
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from fhir_server.search.dates import date_range
from fhir_server.subsystems.workforce import words

Json = dict[str, Any]
HOUR = 3_600_000_000
DAY = 24 * HOUR
FULL_TIME = Decimal(40)  # hours a week of a role that does not say


class Qualification(NamedTuple):
    """One of a practitioner; ends: None where it has no end."""

    code: str
    name: str
    ends: int | None


class Person(NamedTuple):
    """A Practitioner; trainings: qualifications that block nobody; blocked: tagged as one who may not work or order."""

    id: str
    version: int
    name: str
    active: bool
    qualifications: tuple[Qualification, ...]
    trainings: tuple[Qualification, ...]
    blocked: bool

    def qualified_until(self) -> int | None:
        """When the first qualification ends that none of the same code follows; None where none ends."""
        ends = [end for end in latest_ends(self.qualifications).values() if end is not None]
        return min(ends) if ends else None


class Member(NamedTuple):
    """A PractitionerRole on wards. leave: spans; likes: weight by kind of shift; until: its qualification's end."""

    id: str
    version: int
    practitioner: str
    name: str
    active: bool
    wards: frozenset[str]
    skills: frozenset[str]
    hours: Decimal
    rate: Decimal
    currency: str
    leave: tuple[tuple[int, int], ...]
    likes: dict[str, int]
    starts: int | None
    ends: int | None
    until: int | None


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What members with one of these skills, or on one of these wards, must have; everybody where neither is named.

    code: of the qualification; wards: ids of Locations.
    """

    code: Annotated[str, Meta(min_length=1)]
    name: str
    skills: tuple[str, ...] = ()
    wards: tuple[str, ...] = ()

    def needed_by(self, role: Member) -> bool:
        """Whether who has a role must have it."""
        everybody = not self.skills and not self.wards
        return everybody or not role.skills.isdisjoint(self.skills) or not role.wards.isdisjoint(self.wards)


class Rota(NamedTuple):
    """A ward's Schedule with a period; state: proposed or published."""

    id: str
    version: int
    ward: str
    name: str
    start: int
    end: int
    state: str


class Shift(NamedTuple):
    """A Slot of a ward: people wanted. skills: how many of them must have each."""

    id: str
    version: int
    rota: str
    kind: str
    start: int
    end: int
    needed: int
    skills: dict[str, int]
    status: str


class Assignment(NamedTuple):
    """A Slot of a person: a shift that is worked. override: why a rule was overridden, "" for none."""

    id: str
    version: int
    shift: str
    role: str
    kind: str
    start: int
    end: int
    status: str
    override: str


class Worked(NamedTuple):
    """Time that was recorded; shift: the ward's Slot, "" for none."""

    id: str
    version: int
    role: str
    shift: str
    start: int
    end: int


def latest_ends(qualifications: Iterable[Qualification]) -> dict[str, int | None]:
    """Code -> when the last one of it ends; None where it has no end."""
    latest: dict[str, int | None] = {}
    for each in qualifications:
        known = latest.get(each.code, 0)
        latest[each.code] = None if each.ends is None or known is None else max(known, each.ends)
    return latest


def person(resource: Json, version: int, trainings: Container[str] = ()) -> Person:
    """Of a Practitioner; trainings: the codes of qualifications that are training."""
    found = [
        Qualification(*_coded(each.get("code", {})), moment(each.get("period", {}).get("end"), last=True))
        for each in resource.get("qualification", ())
    ]
    tags = [(tag.get("system"), tag.get("code")) for tag in resource.get("meta", {}).get("tag", ())]
    blocked = (words.LABEL, words.BLOCKED) in tags
    return Person(
        resource["id"], version, _name(resource), resource.get("active", True) is not False,
        tuple(each for each in found if each.code not in trainings),
        tuple(each for each in found if each.code in trainings), blocked,
    )  # fmt: skip


def member(resource: Json, version: int, who: Person | None) -> Member | None:
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
        span for each in resource.get("notAvailable", ()) if (span := _span(each.get("during", {}))) is not None
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
        starts=moment(period.get("start")),
        ends=moment(period.get("end"), last=True),
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


def moment(text: Any, *, last: bool = False) -> int | None:
    """The first or the last microsecond of a FHIR date or time; None where there is none."""
    span = date_range(text) if isinstance(text, str) and text else None
    return None if span is None else span[1 if last else 0]


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


def _span(period: Json, *, exact: bool = False) -> tuple[int, int] | None:
    start, end = moment(period.get("start")), moment(period.get("end"), last=not exact)
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
