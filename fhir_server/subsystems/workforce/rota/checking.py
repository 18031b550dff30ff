"""Whether one person may work one shift, rule by rule: for swaps and other decisions of people."""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.subsystems.workforce.models import Assignment, Member, Shift
from fhir_server.subsystems.workforce.rota.problem import Problem, away, minutes, unqualified


def broken(problem: Problem, member: Member, shift: Shift, others: Sequence[Assignment]) -> list[str]:
    """The rules that a member's working a shift would break, in words.

    others: what the member works beside it, in whatever role.
    """
    found = []
    if not member.active:
        found.append("active: the role is not active")
    if unqualified(member, shift):
        found.append(f"qualification: it ends on {problem.local(member.until or 0).date()}, before the shift does")
    if away(member, shift):
        found.append("leave: the member is away then")
    near = [each for each in others if problem.close((each.start, each.end), (shift.start, shift.end))]
    if near:
        begins = f"{problem.local(near[0].start):%Y-%m-%dT%H:%M}"
        found.append(f"rest: less than {problem.rules.rest_hours} h from the shift that begins {begins}")
    week = problem.week(shift.start)
    own = [each for each in others if each.role == member.id]
    worked = sum(minutes(each) for each in own if problem.week(each.start) == week) + minutes(shift)
    if worked > member.hours * 60:
        found.append(f"weekly hours: {worked / 60:g} h of {member.hours} h in that week")
    days = {problem.day(each.start) for each in others} | {problem.day(shift.start)}
    row = _row(days, problem.day(shift.start))
    if row > problem.rules.most_days:
        found.append(f"days in a row: it would be {row} of at most {problem.rules.most_days}")
    return found


def _row(days: set[int], day: int) -> int:
    """How many days one after the other are with this one."""
    length = 1
    for step in (1, -1):
        at = day + step
        while at in days:
            length += 1
            at += step
    return length
