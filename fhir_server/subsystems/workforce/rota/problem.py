"""What a rota is made of: the shifts, who could work them, and what these work already elsewhere."""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from typing import NamedTuple
from zoneinfo import ZoneInfo

from fhir_server.subsystems.workforce.models import HOUR, Assignment, Member, Shift

NIGHT = 3  # an hour, local time: a shift that spans it is a night shift


class Rules(NamedTuple):
    """rest_hours: between two shifts of one person; most_days: with a shift, one after the other."""

    rest_hours: int = 11
    most_days: int = 6


class Problem(NamedTuple):
    """One rota to be made; fixed: what the members work outside of it, already published; zone: of local time.

    elsewhere: the same in other roles of theirs: it takes rest and days, not the weekly hours of this role.
    """

    shifts: Sequence[Shift]
    members: Sequence[Member]
    fixed: Sequence[Assignment]
    rules: Rules
    zone: ZoneInfo
    elsewhere: Sequence[Assignment] = ()

    def local(self, moment: int) -> datetime.datetime:
        """A moment in the ward's own time."""
        return datetime.datetime.fromtimestamp(moment / 1_000_000, self.zone)

    def day(self, moment: int) -> int:
        """The number of a local day."""
        return self.local(moment).toordinal()

    def week(self, moment: int) -> tuple[int, int]:
        """The ISO week of a moment."""
        return self.local(moment).isocalendar()[:2]

    def night(self, shift: Shift) -> bool:
        """Whether a shift spans the middle of the night."""
        start = self.local(shift.start)
        at = start.replace(hour=NIGHT, minute=0)
        at = at if at >= start else at + datetime.timedelta(days=1)
        return at < self.local(shift.end)

    def weekend(self, shift: Shift) -> bool:
        """Whether a shift begins on a Saturday or Sunday."""
        return self.local(shift.start).weekday() >= 5

    def close(self, one: tuple[int, int], other: tuple[int, int]) -> bool:
        """Whether two spans of work leave less than the rest between them."""
        return max(one[0], other[0]) - min(one[1], other[1]) < self.rules.rest_hours * HOUR


def minutes(span: Shift | Assignment) -> int:
    """How long somebody works."""
    return (span.end - span.start) // 60_000_000


def away(member: Member, shift: Shift) -> bool:
    """Whether a shift is within a member's leave, or outside of the time that the role is held."""
    if (member.starts is not None and shift.start < member.starts) or (
        member.ends is not None and shift.end > member.ends
    ):
        return True
    return any(start < shift.end and end > shift.start for start, end in member.leave)


def unqualified(member: Member, shift: Shift) -> bool:
    """Whether a qualification of a member ends before a shift does."""
    return member.until is not None and member.until < shift.end


def written(problem: Problem) -> bytes:
    """The problem as bytes that are the same in every process, so that a change of it shows."""

    def plain(value: object) -> object:
        return sorted(value) if isinstance(value, frozenset) else str(value)

    return json.dumps(problem, default=plain).encode()
