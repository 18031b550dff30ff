"""hms sql and hms kpi: questions to the lake."""

from __future__ import annotations

import csv
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.errors import error
from fhir_server.core.settings import Settings

if TYPE_CHECKING:
    from fhir_server.subsystems.analytics.lake import Lake
    from fhir_server.subsystems.analytics.query import LakeQuery, Rows

MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])").fullmatch


def sql(
    query: Annotated[str, typer.Argument(help="One SELECT over the views, each of which is a table.")],
    data: Data = None,
    config: Config = None,
    rows: Annotated[int, typer.Option(help="Most rows.", min=1, max=1_000_000)] = 10_000,
    seconds: Annotated[float, typer.Option(help="How long it may take.", min=0.1, max=3600)] = 30,
) -> None:
    """Ask the lake by SQL, read-only; prints CSV. `hms subsystem run analytics` keeps the lake."""
    _print(opened(data, config).ask_apart(query, rows=rows, seconds=seconds))


def kpi(
    name: Annotated[str, typer.Argument(help="Which indicator; all of them without.", show_default=False)] = "",
    data: Data = None,
    config: Config = None,
    months: Annotated[int, typer.Option(help="How many months back from the newest that has something.", min=1)] = 12,
    rows: Annotated[str, typer.Option(metavar="YYYY-MM", help="What the value of a month is made of.")] = "",
    folder: Annotated[
        Path | None,
        typer.Option(
            help="Folder of indicators beside those that come with it.",
            show_default=False,
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Print indicators month by month, from the lake."""
    from fhir_server.subsystems.analytics.indicators import by_month, consecutive, indicators, named, rows_of

    asked = opened(data, config)
    all = indicators(folder)
    if rows:
        if not name:
            raise error("value", "--rows needs the name of an indicator: hms kpi NAME --rows YYYY-MM.")
        if not MONTH(rows):
            raise error("value", f"--rows is a month, such as 2026-11, not {rows[:20]!r}.")
        _print(rows_of(asked, named(all, name), rows))
        return
    for indicator in [named(all, name)] if name else all.values():
        target = "" if indicator.target is None else f", target {indicator.target:g}"
        print(f"{indicator.name}: {indicator.title} ({indicator.unit}{target})")
        found = consecutive(indicator, by_month(asked, indicator), months)
        for month in found:
            mark = {True: "met", False: "missed", None: ""}[indicator.met(month.value)]
            value = "" if month.value is None else f"{month.value:.2f}"
            print(f"  {month.month} {value:>12}  of {month.rows:<6} {mark}".rstrip())
        if not found:
            print("  nothing yet")


def opened(data: Path | None, config: Path | None) -> LakeQuery:
    """The lake of a data folder; FhirError "not-found" where there is none."""
    return opened_lake(load_settings({"data": data}, config=config))[1]


def opened_lake(settings: Settings) -> tuple[Lake, LakeQuery]:
    """The lake of the settings' data folder, and what asks it; FhirError "not-found" where there is none."""
    from fhir_server import definitions
    from fhir_server.subsystems.analytics.lake import Lake
    from fhir_server.subsystems.analytics.query import LakeQuery
    from fhir_server.views.library import Library, folders_of

    lake = Lake(settings.data / "lake")
    if not lake.position():
        raise error(
            "not-found",
            f"There is no lake in {settings.data.resolve()}; make it with: hms subsystem run analytics --once",
        )
    r4 = definitions.load()
    return lake, LakeQuery(lake, Library(folders_of(settings.views), r4), r4, settings.timezone)


def _print(found: Rows) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(found.columns)
    writer.writerows(["" if value is None else value for value in row] for row in found.rows)
    if found.more:
        print("There are more rows; raise --rows.", file=sys.stderr)
