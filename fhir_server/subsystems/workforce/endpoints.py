"""The endpoints of the workforce."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Any

from fhir_server.core.errors import error
from fhir_server.subsystems.endpoint import CSV, Answer, Call, Endpoint
from fhir_server.subsystems.workforce import asking, items, reports, times
from fhir_server.subsystems.workforce.asking import MOST_DAYS, MOST_PEOPLE, Wanted
from fhir_server.subsystems.workforce.reading import day_of

if TYPE_CHECKING:
    from fhir_server.subsystems.workforce.models import Rota
    from fhir_server.subsystems.workforce.pay import PayRules
    from fhir_server.subsystems.workforce.service import Workforce

MONTH = re.compile(r"(19|2[01])\d\d-(0[1-9]|1[0-2])\Z")
YEARS = range(1900, 2200)
KIND = re.compile(r"[A-Za-z0-9_-]{1,20}\Z")

Json = dict[str, Any]


async def people(workforce: Workforce, call: Call) -> Answer:
    """Members with their wards, skills and qualifications, and who is blocked."""
    persons = workforce.facts.people()
    listed = []
    for member in sorted(workforce.facts.members().values(), key=lambda each: (each.name, each.id)):
        person = persons.get(member.practitioner)
        until = member.until
        listed.append({
            "role": f"PractitionerRole/{member.id}", "practitioner": f"Practitioner/{member.practitioner}",
            "name": member.name, "active": member.active, "wards": sorted(member.wards),
            "skills": sorted(member.skills), "hours": str(member.hours),
            "qualified_until": day_of(until, workforce.zone),
            "may_work": member.active and (until is None or until >= call.now),
            "blocked": bool(person and person.blocked),
        })  # fmt: skip
    return Answer({"people": listed})


async def work(workforce: Workforce, call: Call) -> Answer:
    """Tasks of the workforce that are open, those that are due first."""
    return Answer({"items": items.listed(workforce.facts)})


async def rotas(workforce: Workforce, call: Call) -> Answer:
    """Every rota with its state and what is missing."""
    found = sorted(workforce.facts.rotas().values(), key=lambda each: (each.start, each.id))
    return Answer({"rotas": [_summary(workforce, rota) for rota in found]})


async def rota(workforce: Workforce, call: Call) -> Answer:
    """A rota: each shift with who works it, or is proposed for it."""
    found = workforce.rotas.rota(call.path["id"])
    shifts = workforce.facts.shifts(found.id)
    members = workforce.facts.members()
    working: dict[str, list[Json]] = {shift.id: [] for shift in shifts}
    if found.state == "published":
        pairs = [(each.shift, each.role, each.override) for each in workforce.rotas.assigned(found)]
    else:
        pairs = [(shift, role, "") for shift, role in workforce.rotas.proposed(found)[0]]
    for shift, role, override in pairs:
        if shift in working:
            name = members[role].name if role in members else role
            working[shift].append({"role": role, "name": name, "override": override})
    listed = [
        {"id": shift.id, "kind": shift.kind, "start": _local(workforce, shift.start),
         "end": _local(workforce, shift.end),
         "needed": shift.needed, "skills": shift.skills, "works": working[shift.id]}
        for shift in shifts
    ]  # fmt: skip
    return Answer({**_summary(workforce, found), "shifts": listed})


def _summary(workforce: Workforce, rota: Rota) -> Json:
    shifts = workforce.facts.shifts(rota.id)
    conflict: Json = {}
    if rota.state == "published":
        there = workforce.rotas.covered(rota)
        missing = {each.id: each.needed - there[each.id] for each in shifts if there[each.id] < each.needed}
    else:
        conflict = workforce.rotas.proposed(rota)[1]
        missing = conflict.get("missing", {})
    working = workforce.facts.proposal(rota.id) is None and rota.state == "proposed"
    return {
        "id": rota.id, "ward": f"Location/{rota.ward}", "name": rota.name, "state": "being worked out" if working else
        rota.state, "start": _local(workforce, rota.start)[:10], "shifts": len(shifts),
        "needed": sum(each.needed for each in shifts), "missing": sum(missing.values()),
        "collide": conflict.get("rules", []),
        "short": [{"shift": each.id, "kind": each.kind, "start": _local(workforce, each.start),
                   "missing": missing[each.id]} for each in shifts if each.id in missing],
    }  # fmt: skip


async def ask(workforce: Workforce, call: Call) -> Answer:
    """Asks for a rota of a ward: {"ward", "start", "days", "shifts": [{"kind", "at", "hours", "needed", "skills"}]}."""
    try:
        first = datetime.date.fromisoformat(call.required("start"))
        if first.year not in YEARS:
            raise ValueError
    except ValueError:
        raise error("value", "start must be a day such as 2026-10-05, from 1900 to 2199.", location="start") from None
    days = _number(call.fields, "days", 1, MOST_DAYS)
    given = call.fields.get("shifts")
    if not isinstance(given, list) or not 0 < len(given) <= 12:
        raise error("required", "shifts must be a list of 1 to 12 shifts that every day has.", location="shifts")
    wanted = [_wanted(each) for each in given]
    if len({each.kind for each in wanted}) < len(wanted):
        raise error("value", "Each shift of a day must have a kind of its own.", location="shifts")
    ward = call.required("ward").removeprefix("Location/")
    async with workforce.desk:
        id = await asking.ask(workforce.facts, call.client, ward, first, days, wanted, call.now, call.who)
    return Answer({"id": id}, status=201)


def _wanted(given: Any) -> Wanted:
    if not isinstance(given, dict):
        raise error("value", "A shift must be an object with kind, at, hours, needed.", location="shifts")
    kind, at, skills = given.get("kind"), given.get("at"), given.get("skills", {})
    if not isinstance(kind, str) or not KIND.match(kind):
        raise error("value", "kind must be a short code such as D, E or N.", location="kind")
    try:
        start = datetime.time.fromisoformat(at if isinstance(at, str) else "")
    except ValueError:
        raise error("value", "at must be a time of the day such as 07:00.", location="at") from None
    if not isinstance(skills, dict):
        raise error("value", 'skills must be an object such as {"icu": 1}.', location="skills")
    numbers = {str(skill)[:64]: _number(skills, skill, 1, MOST_PEOPLE) for skill in skills}
    needed = _number(given, "needed", 0, MOST_PEOPLE)
    if over := next((skill for skill, number in numbers.items() if number > needed), ""):
        raise error("value", f"{kind} needs {numbers[over]} with {over} of {needed} people.", location="skills")
    return Wanted(kind, start, _number(given, "hours", 1, 24), needed, numbers)


def _number(fields: Json, name: str, least: int, most: int) -> int:
    value = fields.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 9:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise error("value", f"{name} must be a whole number from {least} to {most}.", location=name)
    return value


async def publish(workforce: Workforce, call: Call) -> Answer:
    """Locks a rota and gives its shifts to people."""
    async with workforce.desk:
        number = await workforce.rotas.publish(
            call.client, call.path["id"], call.now, call.who, short=call.fields.get("short") is True,
            reason=str(call.fields.get("reason", "")),
        )  # fmt: skip
    return Answer({"assigned": number})


async def swap(workforce: Workforce, call: Call) -> Answer:
    """Gives a shift to another, or to somebody where people are missing."""
    old = str(call.fields.get("from") or "").removeprefix("PractitionerRole/")
    new = call.required("to").removeprefix("PractitionerRole/")
    async with workforce.desk:
        rules = await workforce.rotas.swap(
            call.client, call.path["id"], old, new, call.now, call.who, call.required("reason"),
            override=call.fields.get("override") is True,
        )  # fmt: skip
    return Answer({"overridden": rules})


async def worked(workforce: Workforce, call: Call) -> Answer:
    """Time that was recorded."""
    return Answer({"times": [times.entry_row(each) for each in workforce.facts.worked()]})


async def record(workforce: Workforce, call: Call) -> Answer:
    """Records time that was worked."""
    role = call.required("role").removeprefix("PractitionerRole/")
    shift = str(call.fields.get("shift") or "").removeprefix("Slot/")
    start, end = call.required("start"), call.required("end")
    async with workforce.desk:
        id = await times.record(workforce.facts, call.client, role, shift, start, end, call.now, call.who)
    return Answer({"id": id}, status=201)


async def payroll(workforce: Workforce, call: Call) -> Answer:
    """Hours and pay of a month as CSV."""
    content = times.payroll_csv(*_paid(workforce, call))
    return Answer(content, CSV, filename=f"payroll-{call.path['month']}.csv")


async def journal(workforce: Workforce, call: Call) -> Answer:
    """The balanced journal lines of a month's pay, as CSV."""
    lines = times.journal(*_paid(workforce, call))
    return Answer(times.journal_csv(lines), CSV, filename=f"journal-{call.path['month']}.csv")


def _paid(workforce: Workforce, call: Call) -> tuple[Any, Any, str, PayRules]:
    month, members, rules = _month(call), workforce.facts.members(), workforce.pay
    return members, times.payroll(members, workforce.facts.worked(), month, workforce.zone, rules), month, rules


def _month(call: Call) -> str:
    if not MONTH.match(call.path["month"]):
        raise error("value", "The month must be written YYYY-MM, from 1900 to 2199.")
    return call.path["month"]


async def compliance(workforce: Workforce, call: Call) -> Answer:
    """Qualifications, training, rests and weekly hours of everybody."""
    found = reports.compliance(workforce.facts, workforce.rotas.rules, workforce.zone, call.now)
    return Answer({"practitioners": found})


async def performance(workforce: Workforce, call: Call) -> Answer:
    """Hours and what was done in them."""
    return Answer({"roles": reports.performance(workforce.facts, workforce.zone, _month(call), workforce.pay)})


def _local(workforce: Workforce, moment: int) -> str:
    return datetime.datetime.fromtimestamp(moment // 1_000_000, workforce.zone).isoformat()[:16]


ENDPOINTS = (
    Endpoint("GET", "/people", "Members: wards, skills, qualifications, who is blocked", people),
    Endpoint("GET", "/work", "Open Tasks: qualifications that end, missing training, rotas whose rules collide", work),
    Endpoint("GET", "/rotas", "Every rota: its state, what is missing, which rules collide", rotas),
    Endpoint("POST", "/rotas", "Ask for a rota of a ward", ask, (), ("ward", "start", "days:integer", "shifts:array")),
    Endpoint("GET", "/rotas/{id}", "A rota: each shift with who works it, or is proposed for it", rota),
    Endpoint("POST", "/rotas/{id}/publish", "Lock a rota", publish, (), ("short:boolean", "reason")),
    Endpoint("POST", "/shifts/{id}/swap", "Give a shift to another", swap, (),
             ("from", "to", "reason", "override:boolean")),
    Endpoint("GET", "/times", "Time that was recorded", worked),
    Endpoint("POST", "/times", "Record time that was worked", record, (), ("role", "shift", "start", "end")),
    Endpoint("GET", "/payroll/{month}", "Hours and pay of a month (YYYY-MM)", payroll, gives=CSV),
    Endpoint("GET", "/journal/{month}", "The journal lines of a month's pay", journal, gives=CSV),
    Endpoint("GET", "/compliance", "Qualifications, training, rests and weekly hours", compliance),
    Endpoint("GET", "/performance/{month}", "Hours, Encounters and Procedures of a month", performance),
)  # fmt: skip
