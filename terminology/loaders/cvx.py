"""CVX, the CDC's codes for vaccines (https://www2.cdc.gov/vaccines/iis/iisstandards/vaccines.asp?rpt=cvx)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.loaders.pipes import pipe_rows
from terminology.model import INACTIVE, Designation, Property, Record, SystemInfo

URL = "http://hl7.org/fhir/sid/cvx"
_COLUMNS = ("code", "short", "full", "notes", "status", "nonvaccine", "updated")


def records(source: Path) -> Iterator[Record]:
    """A concept for each vaccine; the full name is the display."""
    for row in pipe_rows(source, _COLUMNS):
        status = row["status"]
        short = row["short"]
        yield Record(
            row["code"],
            row["full"] or short,
            flags=0 if status == "Active" else INACTIVE if status == "Inactive" else 0,
            designations=(Designation(short, "en"),) if short and short != row["full"] else (),
            properties=tuple(
                Property(name, type, value)
                for name, type, value in (
                    ("status", "code", status),
                    ("nonvaccine", "boolean", row["nonvaccine"].lower() == "true"),
                    ("notes", "string", row["notes"]),
                    ("updated", "dateTime", row["updated"].replace("/", "-")),
                )
                if value != ""
            ),
        )


def plan(source: Path, options: Options) -> Plan:
    """The version is the date of the newest change in the file."""
    newest = max(row["updated"] for row in pipe_rows(source, _COLUMNS)).replace("/", "-")
    info = SystemInfo(URL, options.get("version") or newest, "Vaccines administered (CVX)")
    return Plan(info, (Stage("vaccines", "records", lambda: records(source)),))


LOADER = Loader(
    "cvx", "Vaccines (CVX)", "the CDC's file cvx.txt, separated by bars", {"version": "the version to give it"}, plan
)
