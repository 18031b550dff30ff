"""Hours worked and what is paid for them: by member and month, with differentials, as CSV and journal lines."""

from __future__ import annotations

import csv
import datetime
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fhir_server.client import FhirClient
from fhir_server.core.errors import error
from fhir_server.core.keys import instant
from fhir_server.subsystems.workforce import words
from fhir_server.subsystems.workforce.facts import Facts
from fhir_server.subsystems.workforce.models import Member, Worked
from fhir_server.subsystems.writing import id_of, put_all

# percent beside the rate; night: from 20 to 6, weekend: Saturday and Sunday, local time; overtime: past a week's hours
NIGHT_FROM, NIGHT_TO = 20, 6
PERCENT = {"night": Decimal(25), "weekend": Decimal(50), "overtime": Decimal(50)}
WAGES, ACCRUED = "6000 wages", "2300 wages payable"
LONGEST = 24 * 3_600_000_000
CENT = Decimal("0.01")
MINUTE = 60_000_000

Json = dict[str, Any]


@dataclass
class Paid:
    """What a member has worked in a month, in minutes; night, weekend and overtime are parts of worked."""

    worked: int = 0
    night: int = 0
    weekend: int = 0
    overtime: int = 0

    def pay(self, rate: Decimal) -> dict[str, Decimal]:
        """Money by what it is for, each rounded to cents."""
        parts = {"base": Decimal(self.worked)}
        parts |= {name: getattr(self, name) * percent / 100 for name, percent in PERCENT.items()}
        return {name: (minutes * rate / 60).quantize(CENT, ROUND_HALF_UP) for name, minutes in parts.items() if minutes}


async def record(
    facts: Facts, client: FhirClient, role: str, shift: str, start: str, end: str, now: int, who: str
) -> str:
    """Keeps time that was worked, as a Basic; gives its id. FhirError for a span that can't be, or that overlaps."""
    from fhir_server.subsystems.workforce.models import moment

    first, last = moment(start), moment(end)
    if first is None or last is None or "T" not in start or "T" not in end:
        raise error("value", "start and end must be times such as 2026-10-05T07:00:00+02:00.")
    if not 0 < last - first <= LONGEST:
        raise error("value", "end must be after start, and within 24 hours of it.")
    if role not in facts.members():
        raise error("not-found", f"There is no PractitionerRole/{role[:64]} that the workforce knows.")
    if shift and facts.shift(shift) is None:
        raise error("not-found", f"There is no shift {shift[:64]}.")
    id = id_of("time", role, first, last)
    for each in facts.worked():
        if each.role == role and each.start < last and each.end > first and each.id != id:
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
    await put_all(client, [entry], subsystem="workforce", rule="time recorded", now=now, who=who)
    return id


def payroll(members: dict[str, Member], entries: Sequence[Worked], month: str, zone: ZoneInfo) -> dict[str, Paid]:
    """Role -> what was worked in a month (YYYY-MM, local time). Overtime is what passes the hours of an ISO week."""
    found: dict[str, Paid] = defaultdict(Paid)
    weeks: dict[tuple[str, tuple[int, int]], int] = defaultdict(int)
    for entry in sorted(entries, key=lambda each: each.start):
        member = members.get(entry.role)
        for at in _minutes(entry, zone):
            week = (entry.role, at.isocalendar()[:2])
            weeks[week] += 1
            if f"{at:%Y-%m}" != month:
                continue
            paid = found[entry.role]
            paid.worked += 1
            paid.night += at.hour >= NIGHT_FROM or at.hour < NIGHT_TO
            paid.weekend += at.weekday() >= 5
            paid.overtime += member is not None and weeks[week] > member.hours * 60
    return dict(found)


def _minutes(entry: Worked, zone: ZoneInfo) -> Iterator[datetime.datetime]:
    for at in range(entry.start, entry.end - MINUTE + 1, MINUTE):
        yield datetime.datetime.fromtimestamp(at // 1_000_000, zone)


def payroll_csv(members: dict[str, Member], found: dict[str, Paid], month: str) -> bytes:
    """One line a member."""
    head = ["month", "role", "name", "hours", "night", "weekend", "overtime", "rate", "currency", "pay"]
    rows = []
    for role, paid in sorted(found.items()):
        member = members.get(role)
        rate = member.rate if member else Decimal(0)
        hours = [_hours(getattr(paid, name)) for name in ("worked", "night", "weekend", "overtime")]
        rows.append([month, f"PractitionerRole/{role}", member.name if member else "", *hours, rate,
                     member.currency if member else "", sum(paid.pay(rate).values(), Decimal(0))])  # fmt: skip
    return _csv(head, rows)


def journal(members: dict[str, Member], found: dict[str, Paid], month: str) -> list[Json]:
    """Balanced lines: wages by ward and what they are for against wages payable; reference: the role."""
    lines = []
    for role, paid in sorted(found.items()):
        member = members.get(role)
        if member is None:
            continue
        parts = paid.pay(member.rate)
        own = {"date": month, "reference": f"PractitionerRole/{role}", "currency": member.currency,
               "centre": min(member.wards, default="")}  # fmt: skip
        for name, money in parts.items():
            lines.append({**own, "account": WAGES, "for": name, "debit": money, "credit": Decimal(0)})
        total = sum(parts.values(), Decimal(0))
        lines.append({**own, "account": ACCRUED, "for": "pay", "debit": Decimal(0), "credit": total})
    return lines


def journal_csv(lines: Sequence[Json]) -> bytes:
    """The lines of a journal."""
    head = ["date", "account", "for", "centre", "reference", "currency", "debit", "credit"]
    return _csv(head, [[line[name] for name in head] for line in lines])


def entry_row(entry: Worked) -> Json:
    """A time entry for people."""
    return {"id": entry.id, "role": f"PractitionerRole/{entry.role}", "shift": entry.shift,
            "start": instant(entry.start), "end": instant(entry.end)}  # fmt: skip


def _hours(minutes: int) -> Decimal:
    return (Decimal(minutes) / 60).quantize(CENT)


def _csv(head: list[str], rows: Sequence[Sequence[Any]]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(head)
    writer.writerows([[_safe(value) for value in row] for row in rows])
    return file.getvalue().encode()


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is kept a text."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
