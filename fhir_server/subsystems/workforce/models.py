"""What the workforce knows: members, shifts, assignments, rotas, hours worked. Times are microseconds since 1970."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

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
