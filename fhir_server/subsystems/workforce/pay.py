"""What is paid beside the rate, as data: differentials with their conditions, public holidays, the journal's accounts.

rules/pay.json comes with the server; a site names its own file by the setting `workforce_pay`
(docs/how-to/workforce.md).
"""

from __future__ import annotations

import datetime
import functools
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fhir_server.core.errors import error

SHIPPED = Path(__file__).with_name("rules") / "pay.json"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Clock = Annotated[str, Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]\Z")]
Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,29}\Z")]


class Differential(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Percent of the rate beside it for the time in which all that is given holds.

    start, end: local times ("from", "to" in the file), over midnight where end is not later; days: of the week;
    holidays: on public holidays; past_weekly_hours: past the hours of an ISO week; instead_of: names of others that are
    not paid then.
    """

    name: Name
    percent: Decimal
    start: Clock = msgspec.field(default="", name="from")
    end: Clock = msgspec.field(default="", name="to")
    days: tuple[Literal["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], ...] = ()
    holidays: bool = False
    past_weekly_hours: bool = False
    instead_of: tuple[Name, ...] = ()

    def holds(self, at: datetime.datetime, *, holiday: bool, over: bool) -> bool:
        """Whether it is paid for what is worked from a local time on."""
        if (self.holidays and not holiday) or (self.past_weekly_hours and not over):
            return False
        if self.days and DAYS[at.weekday()] not in self.days:
            return False
        if not self.start:
            return True
        clock = f"{at:%H:%M}"
        if self.start < self.end:
            return self.start <= clock < self.end
        return clock >= self.start or clock < self.end


class Holiday(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A public holiday. day: YYYY-MM-DD; every: MM-DD of every year; easter: days after Easter Sunday."""

    name: str
    day: datetime.date | None = None
    every: Annotated[str, Meta(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\Z")] | None = None
    easter: Annotated[int, Meta(ge=-100, le=100)] | None = None

    def on(self, day: datetime.date) -> bool:
        """Whether it is on a day."""
        if self.day is not None:
            return day == self.day
        if self.every is not None:
            return f"{day:%m-%d}" == self.every
        return day == easter(day.year) + datetime.timedelta(days=self.easter or 0)


class Accounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of the journal: what wages cost, and what is owed for them."""

    wages: str
    payable: str


class PayRules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All of a file."""

    accounts: Accounts
    differentials: tuple[Differential, ...]
    holidays: tuple[Holiday, ...] = ()

    def clocks(self) -> set[datetime.time]:
        """The local times at which what is paid may change."""
        given = {clock for each in self.differentials for clock in (each.start, each.end) if clock}
        return {datetime.time(), *map(datetime.time.fromisoformat, given)}

    def is_holiday(self, day: datetime.date) -> bool:
        """Whether a day is a public holiday."""
        return any(each.on(day) for each in self.holidays)

    def paid(self, at: datetime.datetime, *, holiday: bool, over: bool) -> Iterable[str]:
        """Names of the differentials for what is worked from a local time on."""
        found = [each for each in self.differentials if each.holds(at, holiday=holiday, over=over)]
        replaced = {name for each in found for name in each.instead_of}
        return [each.name for each in found if each.name not in replaced]


@functools.cache
def pay_rules(file: Path = SHIPPED) -> PayRules:
    """The rules of a file; FhirError "value" that says what is wrong in it, and where."""
    try:
        rules = msgspec.json.decode(file.read_bytes(), type=PayRules)
    except OSError as problem:
        raise error("value", f"workforce_pay names {file}, which can't be read: {problem.strerror}.") from None
    except msgspec.DecodeError as problem:
        raise error("value", f"{file.name} has no rules of pay: {problem}.") from None
    names = [each.name for each in rules.differentials]
    for each in rules.differentials:
        if bool(each.start) != bool(each.end):
            raise error("value", f"{file.name}: {each.name} needs both from and to, or neither.")
        if not 0 <= each.percent <= 1000:
            raise error("value", f"{file.name}: {each.name} must have a percent from 0 to 1000.")
        if not (each.start or each.days or each.holidays or each.past_weekly_hours):
            raise error("value", f"{file.name}: {each.name} needs a condition: from and to, days, holidays or "
                                 "past_weekly_hours.")  # fmt: skip
        if names.count(each.name) > 1 or each.name == "base":
            raise error("value", f"{file.name}: {each.name} is the name of something else too; take another.")
        if unknown := set(each.instead_of) - set(names):
            raise error("value", f"{file.name}: {each.name} is instead of {min(unknown)}, which is no differential.")
    for holiday in rules.holidays:
        if [holiday.day, holiday.every, holiday.easter].count(None) != 2:
            raise error("value", f"{file.name}: the holiday {holiday.name} needs one of day, every, easter.")
    return rules


@functools.lru_cache(maxsize=64)
def easter(year: int) -> datetime.date:
    """Easter Sunday of the Gregorian calendar (Meeus/Jones/Butcher)."""
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    g = (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    l = (32 + 2 * e + 2 * i - h - k) % 7  # noqa: E741  the letters of the algorithm
    m = (a + 11 * h + 22 * l) // 451
    month, day = divmod(h + l - 7 * m + 114, 31)
    return datetime.date(year, month, day + 1)
