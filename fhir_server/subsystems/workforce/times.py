"""Hours worked and what is paid for them: by member and month, with differentials, as CSV and journal lines."""

from __future__ import annotations

import calendar
import csv
import datetime
import io
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.facts import Facts
from fhir_server.subsystems.workforce.models import Member, Worked
from fhir_server.subsystems.workforce.pay import PayRules
from fhir_server.subsystems.workforce.reading import moment
from fhir_server.subsystems.writing import id_of

TIME = re.compile(r"[^T]+T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").fullmatch  # whole, as R4 has it in a dateTime
LONGEST = 24 * 3_600_000_000
CENT = Decimal("0.01")
SECOND = 1_000_000
HOUR = 3600 * SECOND
AROUND = datetime.timedelta(days=8)  # beside a month: what its weeks and time zones reach into

Json = dict[str, Any]


@dataclass
class Paid:
    """What a member has worked in a month, in seconds; parts: those of a differential, by its name."""

    worked: int = 0
    parts: Counter[str] = field(default_factory=Counter)

    def pay(self, rate: Decimal, rules: PayRules) -> dict[str, Decimal]:
        """Money by what it is for, each rounded to cents."""
        percents = {each.name: each.percent for each in rules.differentials}
        seconds = {"base": Decimal(self.worked)}
        seconds |= {name: self.parts[name] * percent / 100 for name, percent in percents.items()}
        return {name: (each * rate / 3600).quantize(CENT, ROUND_HALF_UP) for name, each in seconds.items() if each}


async def record(
    facts: Facts, client: FhirClient, role: str, shift: str, start: str, end: str, now: int, who: str
) -> str:
    """Keeps time that was worked, as a Basic; gives its id.

    FhirError for a span that can't be, or that overlaps what is recorded of the same person, in whatever role.
    """
    first, last = moment(start), moment(end)
    if first is None or last is None or not (TIME(start) and TIME(end)):
        raise error("value", "start and end must be times such as 2026-10-05T07:00:00+02:00.")
    if not 0 < last - first <= LONGEST:
        raise error("value", "end must be after start, and within 24 hours of it.")
    members = facts.members()
    if role not in members:
        raise error("not-found", f"There is no PractitionerRole/{role[:64]} that the workforce knows.")
    if shift and facts.shift(shift) is None:
        raise error("not-found", f"There is no shift {shift[:64]}.")
    id = id_of("time", role, first, last)
    roles = {role, *facts.other_roles(role, members)}
    for each in facts.worked():
        if each.role in roles and each.start < last and each.end > first and each.id != id:
            raise error("conflict", f"It overlaps time that is recorded already: Basic/{each.id}.")
    extensions: list[Json] = [{"url": words.WORKED, "valuePeriod": {"start": start, "end": end}}]
    if shift:
        extensions.append({"url": words.SHIFT, "valueReference": {"reference": f"Slot/{shift}"}})
    entry = {
        "resourceType": "Basic",
        "id": id,
        "extension": extensions,
        "code": {"coding": [{"system": words.KIND, "code": words.TIME_ENTRY}]},
        "subject": {"reference": f"PractitionerRole/{role}"},
    }
    await facts.decide(client, [entry], rule="time recorded", now=now, who=who)
    return id


def payroll(
    members: dict[str, Member], entries: Sequence[Worked], month: str, zone: ZoneInfo, rules: PayRules
) -> dict[str, Paid]:
    """Role -> what was worked in a month (YYYY-MM, local time)."""
    found: dict[str, Paid] = defaultdict(Paid)
    weeks: Counter[tuple[str, tuple[int, int]]] = Counter()
    first, last = _around(month)
    for entry in sorted(entries, key=lambda each: each.start):
        if entry.end < first or entry.start > last:
            continue
        member = members.get(entry.role)
        for at, seconds in _pieces(entry, zone, rules.clocks()):
            week = (entry.role, at.isocalendar()[:2])
            weeks[week] += seconds
            over = min(seconds, max(0, weeks[week] - int(member.hours * 3600))) if member is not None else 0
            if f"{at:%Y-%m}" != month:
                continue
            paid, holiday = found[entry.role], rules.is_holiday(at.date())
            paid.worked += seconds
            for part, past in ((seconds - over, False), (over, True)):
                for name in rules.paid(at, holiday=holiday, over=past):
                    paid.parts[name] += part
    return dict(found)


def _pieces(entry: Worked, zone: ZoneInfo, clocks: Iterable[datetime.time]) -> Iterator[tuple[datetime.datetime, int]]:
    """An entry cut at local times, each time that they come, and at whole hours, where clocks are put forward or back:
    when each piece begins, and its seconds."""

    def local(moment: int) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(moment // SECOND, zone)

    day, last = local(entry.start).date(), local(entry.end).date()
    cuts = {entry.start, entry.end, *range(entry.start - entry.start % HOUR + HOUR, entry.end, HOUR)}
    while day <= last:
        for clock, fold in itertools.product(clocks, (0, 1)):
            at = int(datetime.datetime.combine(day, clock.replace(fold=fold), zone).timestamp()) * SECOND
            if entry.start < at < entry.end:
                cuts.add(at)
        day += datetime.timedelta(days=1)
    for start, end in itertools.pairwise(sorted(cuts)):
        yield local(start), (end - start) // SECOND


def _around(month: str) -> tuple[int, int]:
    """Microseconds since 1970 between which lies what counts for a month."""
    first = datetime.datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
    days = calendar.monthrange(first.year, first.month)[1]
    last = first + datetime.timedelta(days=days)
    return int((first - AROUND).timestamp()) * SECOND, int((last + AROUND).timestamp()) * SECOND


def payroll_csv(members: dict[str, Member], found: dict[str, Paid], month: str, rules: PayRules) -> bytes:
    """One line a member."""
    names = [each.name for each in rules.differentials]
    head = ["month", "role", "name", "hours", *names, "rate", "currency", "pay"]
    rows = []
    for role, paid in sorted(found.items()):
        member = members.get(role)
        rate = member.rate if member else Decimal(0)
        hours = [_hours(paid.worked), *(_hours(paid.parts[name]) for name in names)]
        rows.append([month, f"PractitionerRole/{role}", member.name if member else "", *hours, rate,
                     member.currency if member else "", sum(paid.pay(rate, rules).values(), Decimal(0))])  # fmt: skip
    return _csv(head, rows)


def journal(members: dict[str, Member], found: dict[str, Paid], month: str, rules: PayRules) -> list[Json]:
    """Balanced lines: wages by ward and what they are for against wages payable; reference: the role."""
    lines = []
    for role, paid in sorted(found.items()):
        member = members.get(role)
        if member is None:
            continue
        parts = paid.pay(member.rate, rules)
        own = {"date": month, "reference": f"PractitionerRole/{role}", "currency": member.currency,
               "centre": min(member.wards, default="")}  # fmt: skip
        for name, money in parts.items():
            lines.append({**own, "account": rules.accounts.wages, "for": name, "debit": money, "credit": Decimal(0)})
        total = sum(parts.values(), Decimal(0))
        lines.append({**own, "account": rules.accounts.payable, "for": "pay", "debit": Decimal(0), "credit": total})
    return lines


def journal_csv(lines: Sequence[Json]) -> bytes:
    """The lines of a journal."""
    head = ["date", "account", "for", "centre", "reference", "currency", "debit", "credit"]
    return _csv(head, [[line[name] for name in head] for line in lines])


def entry_row(entry: Worked) -> Json:
    """A time entry for people."""
    return {"id": entry.id, "role": f"PractitionerRole/{entry.role}", "shift": entry.shift,
            "start": instant(entry.start), "end": instant(entry.end)}  # fmt: skip


def _hours(seconds: int) -> Decimal:
    return (Decimal(seconds) / 3600).quantize(CENT)


def _csv(head: list[str], rows: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([[_safe(value) for value in row] for row in rows])
    return file.getvalue().encode()


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is kept a text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
