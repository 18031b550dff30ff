"""Reports: who complies, what was worked against what was planned, and what was done in that time."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.subsystems.workforce.facts import Facts
from fhir_server.subsystems.workforce.models import DAY, HOUR
from fhir_server.subsystems.workforce.pay import PayRules
from fhir_server.subsystems.workforce.qualifications import LEAD_DAYS
from fhir_server.subsystems.workforce.reading import day_of
from fhir_server.subsystems.workforce.rota.problem import Problem, Rules
from fhir_server.subsystems.workforce.times import payroll
from fhir_server.subsystems.workforce.training import standings

Json = dict[str, Any]


def compliance(facts: Facts, rules: Rules, zone: ZoneInfo, now: int) -> list[Json]:
    """Each practitioner: qualifications and training with their ends, and how often worked time broke rest or weekly
    hours."""
    members = facts.members()
    problem = Problem([], [], [], rules, zone)
    short: Counter[str] = Counter()
    weeks: dict[tuple[str, tuple[int, int]], int] = defaultdict(int)
    last: dict[str, tuple[int, str]] = {}  # until when, and which shift
    for entry in facts.worked():
        member = members.get(entry.role)
        if member is None:
            continue
        who = member.practitioner
        if who in last:
            end, shift = last[who]
            paused = bool(shift) and entry.shift == shift  # within a shift, which is no rest between two
            short[who] += not paused and entry.start - end < rules.rest_hours * HOUR
        last[who] = max(entry.end, last[who][0] if who in last else entry.end), entry.shift
        weeks[entry.role, problem.week(entry.start)] += entry.end - entry.start
    over = Counter(
        members[role].practitioner for (role, _), worked in weeks.items() if worked > members[role].hours * HOUR
    )
    found = []
    roles = facts.roles_by_practitioner()
    for id, person in sorted(facts.people().items()):
        until = person.qualified_until()
        state = "none on file" if not person.qualifications else "valid"
        if until is not None and until < now:
            state = "ended"
        elif until is not None and until - LEAD_DAYS * DAY <= now:
            state = "ends soon"
        found.append({
            "practitioner": f"Practitioner/{id}", "name": person.name, "state": state, "blocked": person.blocked,
            "qualifications": [{"name": each.name, "ends": day_of(each.ends, zone)} for each in person.qualifications],
            "training": [
                {"name": each.training.name, "state": each.state, "ends": day_of(each.ends, zone)}
                for each in standings(person, roles.get(id, ()), facts.trainings, now)
            ],
            "short_rests": short[id], "weeks_over": over[id],
        })  # fmt: skip
    return found


def performance(facts: Facts, zone: ZoneInfo, month: str, rules: PayRules) -> list[Json]:
    """Each role in a month: hours planned and worked, Encounters and Procedures, and these per hour worked."""
    members = facts.members()
    worked = payroll(members, facts.worked(), month, zone, rules)
    planned: Counter[str] = Counter()
    problem = Problem([], [], [], Rules(), zone)
    for each in facts.assignments(list(members)):
        if f"{problem.local(each.start):%Y-%m}" == month:
            planned[each.role] += each.end - each.start
    done: dict[str, Counter[str]] = defaultdict(Counter)
    for row in facts.store.rows("SELECT practitioner, type, moment FROM activity"):
        if f"{problem.local(row['moment']):%Y-%m}" == month:
            done[row["practitioner"]][row["type"]] += 1
    found = []
    for role, member in sorted(members.items()):
        hours = worked[role].worked / 3600 if role in worked else 0.0
        acts = done[member.practitioner]
        total = acts["Encounter"] + acts["Procedure"]
        if not (hours or planned[role] or total):
            continue
        found.append({
            "role": f"PractitionerRole/{role}", "name": member.name, "planned_hours": planned[role] / HOUR,
            "worked_hours": hours, "encounters": acts["Encounter"], "procedures": acts["Procedure"],
            "acts_per_hour": round(total / hours, 2) if hours else None,
        })  # fmt: skip
    return found
