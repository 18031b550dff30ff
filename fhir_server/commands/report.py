"""hms report: scheduled reports of the lake."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load as load_settings
from fhir_server.core.errors import error

if TYPE_CHECKING:
    from fhir_server.subsystems.analytics.reports.desk import Desk

report = typer.Typer(help="Scheduled reports: list them, write what is due, send again.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="Which report.", show_default=False)]
Period = Annotated[str, typer.Argument(help="2026-11-26, 2026-W48 or 2026-11.", show_default=False)]


@report.command("list")
def list_(data: Data = None, config: Config = None) -> None:
    """List reports, when the next one is written, what was written and how sending it went."""
    from fhir_server.bootstrap import now
    from fhir_server.subsystems.analytics.reports.periods import next_due

    desk = _desk(data, config)
    found = desk.reports()
    for each in found.reports.values():
        print(f"{each.name}: {each.title} (every {each.every}, next {next_due(each.every, each.at, now(), desk.zone)})")
        for written in desk.archive.all(each.name):
            made = datetime.datetime.fromtimestamp(written.made / 1_000_000, desk.zone)
            kept = "withdrawn" if written.content is None else ", ".join(desk.files(written))
            print(f"  {written.period} made {made:%Y-%m-%d %H:%M}: {kept}")
            for delivery in desk.archive.deliveries(each.name, written.period):
                print(f"    {delivery.recipient} {delivery.state} {delivery.problem}".rstrip())
    for problem in found.problems:
        typer.echo(problem, err=True)


@report.command()
def run(
    name: Annotated[str, typer.Argument(help="Which report; all that are due without.", show_default=False)] = "",
    period: Annotated[str, typer.Option(help="Another period than the last that has ended.")] = "",
    to: Annotated[
        Path | None, typer.Option(help="Folder that the files are put into too.", file_okay=False, show_default=False)
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Write the reports that are due, or one; a period has one report, so it may be there already. Send what waits."""
    from fhir_server.bootstrap import now
    from fhir_server.subsystems.analytics.reports.definition import named
    from fhir_server.subsystems.analytics.reports.periods import ended

    desk, time = _desk(data, config), now()
    if name:
        wanted = named(desk.reports(), name)
        chosen = desk.ended(wanted, period, time) if period else ended(wanted.every, wanted.at, time, desk.zone)
        new = desk.write(wanted, chosen, time)
        print(f"{name} of {chosen.name} {'is written' if new else 'has been written before'}")
        written = [(name, chosen.name)]
    elif period:
        raise error("value", "--period needs the name of a report: hms report run NAME --period PERIOD.")
    else:
        written = [(each.report.name, each.period.name) for each in desk.write_due(time)]
        for report_name, report_period in written:
            print(f"{report_name} of {report_period} is written")
    if to is not None:
        for each in written:
            _put(desk, *each, to)
    taken, failed = desk.send(time)
    if taken or failed:
        print(f"{taken} sent, {failed} not; `hms report list` says why")
    if desk.problems:
        raise error("value", " ".join(f"{name} of {problem}" for name, problem in desk.problems.items()))


@report.command()
def send(name: Name, period: Period, data: Data = None, config: Config = None) -> None:
    """Try again to send a report to those whom it could not be sent to."""
    from fhir_server.bootstrap import now

    desk = _desk(data, config)
    desk.archive.written(name, period)
    desk.archive.again(name, period, now())
    taken, failed = desk.send(now())
    print(f"{taken} sent, {failed} not")


def _put(desk: Desk, name: str, period: str, to: Path) -> None:
    to.mkdir(parents=True, exist_ok=True)
    for wanted in desk.files(desk.archive.written(name, period)):
        (to / wanted).write_bytes(desk.file(name, period, wanted).content)


def _desk(data: Path | None, config: Path | None) -> Desk:
    from fhir_server.commands.analytics import opened_lake
    from fhir_server.subsystems.analytics.mounted import desk

    settings = load_settings({"data": data}, config=config)
    return desk(settings, *opened_lake(settings))
