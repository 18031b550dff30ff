"""Reports as data: which indicators and questions, of which period, when, in which formats, and who gets them."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from fhir_server.core.errors import FhirError, error

SHIPPED = Path(__file__).with_name("shipped")
NAME = r"^[a-z0-9][a-z0-9_-]{0,59}$"
ADDRESS = r"^[^\s@<>,;\"]{1,64}@[A-Za-z0-9.-]{1,190}$"


class Question(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the report: one SELECT over the views; $start and $end are the period's bounds, TIMESTAMP in UTC."""

    title: str
    sql: list[str]


class Report(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One report. indicators: their names, ["*"] for all; months: how many of them, the period's last; every, at: it is
    written at this time of day after each day, week (Monday to Sunday) or month has ended."""

    name: Annotated[str, Meta(pattern=NAME)]
    title: str
    every: Literal["day", "week", "month"]
    at: Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "06:00"
    indicators: list[str] = msgspec.field(default_factory=lambda: ["*"])
    questions: list[Question] = []
    months: Annotated[int, Meta(ge=1, le=120)] = 13
    formats: Annotated[list[Literal["csv", "pdf"]], Meta(min_length=1)] = msgspec.field(
        default_factory=lambda: ["csv", "pdf"]
    )
    recipients: list[Annotated[str, Meta(pattern=ADDRESS)]] = []


class Found(NamedTuple):
    """Reports by name, and what is wrong with files that are none."""

    reports: dict[str, Report]
    problems: list[str]


def reports(folder: Path | None = None) -> Found:
    """Those that come with the server and those in a folder, which go first; a wrong file stops no other."""
    found: dict[str, Report] = {}
    problems = []
    if folder and not folder.is_dir():
        problems.append(f"The folder of reports {folder} is not there.")
    for place in (SHIPPED, folder) if folder else (SHIPPED,):
        for file in sorted(place.glob("*.json")):
            try:
                report = msgspec.json.decode(file.read_bytes(), type=Report)
            except (msgspec.DecodeError, OSError) as problem:
                problems.append(f"{file.name} is no report: {problem}.")
            else:
                found[report.name] = report
    return Found(found, problems)


def named(found: Found, name: str) -> Report:
    """The report of this name; FhirError "not-found" with the nearest one."""
    if name not in found.reports:
        near = difflib.get_close_matches(name, found.reports, 1)
        hint = f" Did you mean {near[0]}?" if near else f" There are: {', '.join(found.reports)}."
        raise _with(found.problems, error("not-found", f"There is no report {name[:100]}.{hint}"))
    return found.reports[name]


def _with(problems: list[str], problem: FhirError) -> FhirError:
    if not problems:
        return problem
    return error("not-found", f"{problem} {' '.join(problems)}")
