"""Days as billing counts them: a time is on a day of the hospital's own zone, a date without a time is that day."""

from __future__ import annotations

import datetime
import sqlite3

from fhir_server.core.keys import instant
from fhir_server.subsystems.billing.facts import Json

DAY_OF = "day_of"  # the function of that name in the SQL of billing's store, in the hospital's zone


def time_of(text: str, zone: datetime.tzinfo) -> datetime.datetime | None:
    """A FHIR time by the clocks of the hospital; None for a date, a leap second and the ends of the calendar."""
    if "T" not in text:
        return None
    try:
        return datetime.datetime.fromisoformat(text).astimezone(zone)
    except (ValueError, OverflowError):
        return None


def by_clock(text: str, zone: datetime.tzinfo) -> str:
    """A FHIR time as the clocks of the hospital show it, with their offset; a date as it is."""
    at = time_of(text, zone)
    return at.isoformat(timespec="milliseconds") if at is not None else text


def day_here(connection: sqlite3.Connection, text: str) -> str:
    """The same, by the clocks of the hospital whose store it is."""
    return connection.execute(f"SELECT {DAY_OF}(?)", (text,)).fetchone()[0]


def day_of(text: str, zone: datetime.tzinfo) -> str:
    """The day of a FHIR date or time, as far as it says one: YYYY, YYYY-MM or YYYY-MM-DD."""
    at = time_of(text, zone)
    return at.date().isoformat() if at is not None else text[:10]


def local(now: int, zone: datetime.tzinfo) -> datetime.datetime:
    """A moment (microseconds since 1970) by the clocks of the hospital."""
    return datetime.datetime.fromisoformat(instant(now)).astimezone(zone)


def today(now: int, zone: datetime.tzinfo) -> str:
    """The day that it is at a moment."""
    return local(now, zone).date().isoformat()


def bounds(period: Json) -> tuple[str, str]:
    """The first and the last day of a Period, to be compared as text: one that names a month or a year has all of it,
    and one that is open reaches as far as days do."""
    end = period.get("end", "")[:10] or "9999-12-31"
    return period.get("start", "")[:10], f"{end}-99-99"[:10]
