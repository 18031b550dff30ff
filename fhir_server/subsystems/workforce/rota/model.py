"""The rota as a model of OR-Tools' CP-SAT (https://developers.google.com/optimization/cp/cp_solver).

Each kind of rule is enforced by one literal, so that the kinds which collide can be named. `works[m, s]` is whether a
member works a shift.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from fhir_server.subsystems.workforce.rota.problem import Problem, away, minutes, unqualified

KINDS = ("cover", "skills", "rest", "weekly hours", "days in a row", "leave", "qualification")
PREFERENCE, UNFAIR_NIGHT, UNFAIR_LOAD = 1, 20, 1  # weights of the objective
SPARE = 1  # shifts of a kind above a fair share


class Model:
    """literals: each kind of rule holds where its literal does; relaxed: people may be missing instead.

    fair: nobody has more than a share of the nights and of the weekends, and one or two beside it.
    """

    def __init__(self, problem: Problem, *, literals: bool = False, relaxed: bool = False, fair: bool = False) -> None:
        from ortools.sat.python import cp_model

        self.problem = problem
        self.model: Any = cp_model.CpModel()
        self.literals = {kind: self.model.new_bool_var(kind) for kind in KINDS} if literals else {}
        self.works: dict[tuple[int, int], Any] = {}
        self.missing: dict[int, Any] = {}
        for m, member in enumerate(problem.members):
            for s, shift in enumerate(problem.shifts):
                barred = {"leave": away(member, shift), "qualification": unqualified(member, shift)}
                if not literals and any(barred.values()):
                    continue
                works = self.works[m, s] = self.model.new_bool_var(f"{m} {s}")
                for kind, is_so in barred.items():
                    if is_so:
                        self._hold(self.model.add(works == 0), kind)
        self._cover(relaxed)
        self._rest()
        self._weeks()
        self._rows()
        if fair:
            self._share()

    def _hold(self, constraint: Any, kind: str) -> None:
        if self.literals:
            constraint.only_enforce_if(self.literals[kind])

    def _of_shift(self, s: int) -> list[tuple[int, Any]]:
        return [(m, self.works[m, s]) for m in range(len(self.problem.members)) if (m, s) in self.works]

    def _of_member(self, m: int) -> list[tuple[int, Any]]:
        return [(s, self.works[m, s]) for s in range(len(self.problem.shifts)) if (m, s) in self.works]

    def _persons(self) -> list[list[int]]:
        """The members, those together that are roles of one person."""
        found: dict[str, list[int]] = defaultdict(list)
        for m, member in enumerate(self.problem.members):
            found[member.practitioner].append(m)
        return list(found.values())

    def _cover(self, relaxed: bool) -> None:
        for s, shift in enumerate(self.problem.shifts):
            there = self._of_shift(s)
            total = sum(works for _, works in there)
            if relaxed:
                missing = self.missing[s] = self.model.new_int_var(0, shift.needed, f"missing {s}")
                self.model.add(total + missing == shift.needed)
            else:
                self._hold(self.model.add(total == shift.needed), "cover")
            for skill, number in shift.skills.items():
                skilled = sum(works for m, works in there if skill in self.problem.members[m].skills)
                if relaxed:
                    self.model.add(skilled + self.missing[s] >= number)
                else:
                    self._hold(self.model.add(skilled >= number), "skills")

    def _rest(self) -> None:
        """At most one of the shifts that are too close: those around each shift's end, as one clique."""
        problem, shifts = self.problem, self.problem.shifts
        cliques = []
        rest = problem.rules.rest_hours * 3_600_000_000
        for shift in shifts:
            # whatever is under way, or about to end its rest, when this one begins
            around = [s for s, other in enumerate(shifts) if other.start <= shift.start < other.end + rest]
            cliques.append(around)
        for person in self._persons():
            for clique in cliques:
                there = [self.works[m, s] for m in person for s in clique if (m, s) in self.works]
                if len(there) > 1:
                    self._hold(self.model.add(sum(there) <= 1), "rest")
        for m, member in enumerate(problem.members):
            for each in (*problem.fixed, *problem.elsewhere):
                if each.role == member.id:
                    for s, works in self._of_member(m):
                        if problem.close((each.start, each.end), (shifts[s].start, shifts[s].end)):
                            self._hold(self.model.add(works == 0), "rest")

    def _weeks(self) -> None:
        problem = self.problem
        for m, member in enumerate(problem.members):
            weeks: dict[tuple[int, int], list[Any]] = defaultdict(list)
            taken: dict[tuple[int, int], int] = defaultdict(int)
            for each in problem.fixed:
                if each.role == member.id:
                    taken[problem.week(each.start)] += minutes(each)
            for s, works in self._of_member(m):
                weeks[problem.week(problem.shifts[s].start)].append(works * minutes(problem.shifts[s]))
            for week, terms in weeks.items():
                most = max(int(member.hours * 60) - taken[week], 0)
                self._hold(self.model.add(sum(terms) <= most), "weekly hours")

    def _rows(self) -> None:
        problem, most = self.problem, self.problem.rules.most_days
        for person in self._persons():
            by_day: dict[int, list[Any]] = defaultdict(list)
            for m in person:
                for s, works in self._of_member(m):
                    by_day[problem.day(problem.shifts[s].start)].append(works)
            # what one role has fixed is elsewhere for the others
            member = problem.members[person[0]]
            for each in (*problem.fixed, *problem.elsewhere):
                if each.role == member.id:
                    by_day[problem.day(each.start)].append(1)
            if not by_day:
                continue
            for first in range(min(by_day), max(by_day) - most + 1):
                window = [works for day in range(first, first + most + 1) for works in by_day.get(day, ())]
                if len(window) > most:
                    self._hold(self.model.add(sum(window) <= most), "days in a row")

    def _share(self) -> None:
        """Shares follow the hours of a role; members who are away for some of the time have what they can."""
        problem = self.problem
        hours = sum(member.hours for member in problem.members)
        for counts in (problem.night, problem.weekend):
            counted = {s for s, shift in enumerate(problem.shifts) if counts(shift)}
            total = sum(problem.shifts[s].needed for s in counted)
            for m, member in enumerate(problem.members):
                share = math.ceil(total * member.hours / hours) + SPARE if hours else total
                self.model.add(sum(works for s, works in self._of_member(m) if s in counted) <= share)

    def wish(self, worked: set[tuple[int, int]]) -> None:
        """The objective: what members like, nights and loads that are fair; worked: a rota to begin from."""
        problem, model = self.problem, self.model
        for key, works in self.works.items():
            model.add_hint(works, key in worked)
        cost: list[Any] = []
        for (m, s), works in self.works.items():
            weight = problem.members[m].likes.get(problem.shifts[s].kind, 0)
            if weight:
                cost.append(works * (-weight * PREFERENCE))
        ones = dict.fromkeys(range(len(problem.shifts)), 1)
        dark = {s: 1 for s in ones if problem.night(problem.shifts[s])}
        free = {s: 1 for s in ones if problem.weekend(problem.shifts[s])}
        for counted in (dark, free):
            high, low = self._spread(counted, [1] * len(problem.members), worked)
            cost.append((high - low) * UNFAIR_NIGHT)
        weeks = len({problem.week(shift.start) for shift in problem.shifts}) or 1
        loads = {s: 100 * minutes(problem.shifts[s]) for s in ones}
        high, low = self._spread(loads, [max(int(m.hours * 60) * weeks, 1) for m in problem.members], worked)
        cost.append((high - low) * UNFAIR_LOAD)
        model.minimize(sum(cost))

    def _spread(self, counted: dict[int, int], shares: list[int], worked: set[tuple[int, int]]) -> tuple[Any, Any]:
        """The most and the least that any member has of what is counted by shift, in parts of the member's share."""
        most = sum(counted.values())
        high, low = (self.model.new_int_var(0, most, f"{edge} {len(counted)}") for edge in ("high", "low"))
        found = []
        for m, share in enumerate(shares):
            mine = [
                (works * counted[s], counted[s] * ((m, s) in worked)) for s, works in self._of_member(m) if s in counted
            ]
            total = sum(term for term, _ in mine)
            self.model.add(total <= high * share)
            self.model.add(total >= low * share)
            found.append((sum(value for _, value in mine), share))
        self.model.add_hint(high, max((-(-value // share) for value, share in found), default=0))
        self.model.add_hint(low, min((value // share for value, share in found), default=0))
        return high, low
