"""Analytics as a subsystem that is mounted: its endpoints, and how it is made on a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fhir_server.core.settings import Settings
from fhir_server.subsystems.analytics.indicators import Indicator, Month, consecutive
from fhir_server.subsystems.analytics.reports.endpoints import ENDPOINTS as OF_REPORTS
from fhir_server.subsystems.analytics.service import Analytics
from fhir_server.subsystems.endpoint import Answer, Call, Endpoint

if TYPE_CHECKING:
    from fhir_server.subsystems.analytics.lake import Lake
    from fhir_server.subsystems.analytics.query import LakeQuery
    from fhir_server.subsystems.analytics.reports.desk import Desk

TITLE = "Analytics"
MOST_MONTHS = 240


def make(settings: Settings) -> Analytics:
    """On the lake in the data folder."""
    from fhir_server import definitions
    from fhir_server.subsystems.analytics.lake import Lake
    from fhir_server.subsystems.analytics.query import LakeQuery
    from fhir_server.views.library import Library, folders_of

    r4 = definitions.load()
    lake = Lake(settings.data / "lake")
    query = LakeQuery(lake, Library(folders_of(settings.views), r4), r4, settings.timezone)
    return Analytics(lake, query, _folder(settings.indicators), desk(settings, lake, query))


def desk(settings: Settings, lake: Lake, query: LakeQuery) -> Desk:
    """What writes and sends the scheduled reports; FhirError "value" for a setting that is wrong."""
    from zoneinfo import ZoneInfo

    from fhir_server.subsystems.analytics.reports.archive import Archive
    from fhir_server.subsystems.analytics.reports.desk import Desk
    from fhir_server.subsystems.analytics.reports.mail import mailer

    return Desk(
        Archive(settings.data / "reports.sqlite"), query, lake.position, ZoneInfo(settings.timezone),
        folder=_folder(settings.reports), indicator_folder=_folder(settings.indicators), mailer=mailer(settings),
        font=settings.report_font,
    )  # fmt: skip


def _folder(setting: str) -> Path | None:
    return Path(setting) if setting else None


async def all_indicators(analytics: Analytics, call: Call) -> Answer:
    """Every indicator with its newest months."""
    months = call.whole("months", 13, MOST_MONTHS)
    found = [_indicator(*await analytics.months(name), months) for name in analytics.indicators()]
    return Answer({"position": analytics.position(), "indicators": found})


async def one_indicator(analytics: Analytics, call: Call) -> Answer:
    """One indicator."""
    return Answer(_indicator(*await analytics.months(call.path["name"]), call.whole("months", 13, MOST_MONTHS)))


async def rows(analytics: Analytics, call: Call) -> Answer:
    """What the value of a month is made of."""
    found = await analytics.rows(call.path["name"], call.path["month"])
    return Answer({"columns": found.columns, "rows": [_plain(row) for row in found.rows], "more": found.more})


async def sql(analytics: Analytics, call: Call) -> Answer:
    """One SELECT over the views."""
    found = await analytics.ask(call.required("query"), call.whole("rows", 1000, 100_000), 30)
    return Answer({"columns": found.columns, "rows": [_plain(row) for row in found.rows], "more": found.more})


def _indicator(indicator: Indicator, months: Any, last: int) -> dict[str, Any]:
    return {
        "name": indicator.name,
        "title": indicator.title,
        "unit": indicator.unit,
        "better": indicator.better,
        "target": indicator.target,
        "months": [_month(indicator, month) for month in consecutive(indicator, months, last)],
    }


def _month(indicator: Indicator, month: Month) -> dict[str, Any]:
    return {"month": month.month, "value": month.value, "rows": month.rows, "met": indicator.met(month.value)}


def _plain(row: tuple[Any, ...]) -> list[Any]:
    """Values as JSON has them; dates and others as text."""
    return [value if isinstance(value, int | float | str | None) else str(value) for value in row]


ENDPOINTS = (
    Endpoint("GET", "/indicators", "Every indicator, month by month", all_indicators, ("months",)),
    Endpoint("GET", "/indicators/{name}", "One indicator, month by month", one_indicator, ("months",)),
    Endpoint("GET", "/indicators/{name}/{month}", "What the value of a month (YYYY-MM) is made of", rows),
    *OF_REPORTS,
    Endpoint("POST", "/sql", "Ask the lake: one SELECT, where every view is a table", sql, ("rows",), ("query",)),
)
