"""The solver keeps every rule, whoever the members are."""

from collections import Counter, defaultdict
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from fhir_server.subsystems.workforce.models import DAY, HOUR, Assignment, Member, Shift
from fhir_server.subsystems.workforce.rota.checking import broken
from fhir_server.subsystems.workforce.rota.problem import Problem, Rules
from fhir_server.subsystems.workforce.rota.solving import solve

MONDAY = 1_791_158_400_000_000  # 2026-10-05T00:00:00Z
ZONE = ZoneInfo("UTC")


def ward(people: int, days: int, needed: int, hours: int = 40) -> Problem:
    """Three shifts of 8 h a day; every third member has a skill that each shift needs, every fifth a leave."""
    members = [
        Member(
            f"m{n}", 1, f"p{n}", f"Nurse {n}", True, frozenset({"w"}), frozenset({"icu"} if n % 2 == 0 else ()),
            Decimal(hours), Decimal(30), "EUR", ((MONDAY + n % days * DAY, MONDAY + (n % days + 2) * DAY - 1),)
            if n % 5 == 0 else (), {"N": -1 if n % 2 else 1}, None, None, None,
        )
        for n in range(people)
    ]  # fmt: skip
    shifts = [
        Shift(f"{day}{kind}", 1, "r", kind, MONDAY + day * DAY + at * HOUR, MONDAY + day * DAY + (at + 8) * HOUR,
              needed, {"icu": 1}, "free")
        for day in range(days) for kind, at in (("D", 6), ("E", 14), ("N", 22))
    ]  # fmt: skip
    return Problem(shifts, members, [], Rules(), ZONE)


@pytest.mark.parametrize(("people", "days", "needed"), [(13, 7, 2), (16, 14, 2)])
def test_every_rule_is_kept(people: int, days: int, needed: int):
    problem = ward(people, days, needed)
    solved = solve(problem)
    assert solved.conflict is None
    shifts, members = {each.id: each for each in problem.shifts}, {each.id: each for each in problem.members}
    assert Counter(shift for shift, _ in solved.assigned) == dict.fromkeys(shifts, needed)
    works: dict[str, list[Assignment]] = defaultdict(list)
    skilled = Counter(shift for shift, role in solved.assigned if "icu" in members[role].skills)
    assert all(skilled[shift] >= 1 for shift in shifts)
    for shift, role in solved.assigned:
        there = shifts[shift]
        works[role].append(Assignment(shift, 1, shift, role, there.kind, there.start, there.end, "busy", ""))
    for role, own in works.items():
        for each in own:
            others = [other for other in own if other is not each]
            assert broken(problem, members[role], shifts[each.shift], others) == []


def test_the_same_facts_give_the_same_rota():
    assert solve(ward(13, 7, 2)) == solve(ward(13, 7, 2))


def test_nobody_has_to_like_the_nights_alone():
    problem = ward(13, 7, 2)
    nights = Counter(role for shift, role in solve(problem).assigned if shift.endswith("N"))
    assert max(nights.values()) <= -(-nights.total() // len(problem.members)) + 1


def test_what_is_worked_elsewhere_counts():
    problem = ward(4, 1, 1)
    there = [Assignment("x", 1, "y", f"m{n}", "D", MONDAY, MONDAY + 6 * HOUR, "busy", "") for n in range(1, 4)]
    solved = solve(problem._replace(fixed=there))
    assert ("0D", "m1") not in solved.assigned
    assert solved.conflict is not None
    assert "rest" in solved.conflict.rules
