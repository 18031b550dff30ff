"""MVX, the CDC's codes for makers of vaccines (https://www2.cdc.gov/vaccines/iis/iisstandards/vaccines.asp?rpt=mvx)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.loaders.pipes import pipe_rows
from terminology.model import INACTIVE, Property, Record, SystemInfo

URL = "http://hl7.org/fhir/sid/mvx"
_COLUMNS = ("code", "name", "notes", "status", "updated")


def records(source: Path) -> Iterator[Record]:
    """A concept for each maker."""
    for row in pipe_rows(source, _COLUMNS):
        found = [Property("status", "code", row["status"])]
        found += [Property("notes", "string", row["notes"])] if row["notes"] else []
        found += [Property("updated", "dateTime", row["updated"].replace("/", "-"))] if row["updated"] else []
        flags = INACTIVE if row["status"] == "Inactive" else 0
        yield Record(row["code"], row["name"], flags=flags, properties=tuple(found))


def plan(source: Path, options: Options) -> Plan:
    """The version is the date of the newest change in the file."""
    newest = max(row["updated"] for row in pipe_rows(source, _COLUMNS)).replace("/", "-")
    info = SystemInfo(URL, options.get("version") or newest, "Manufacturers of vaccines (MVX)")
    return Plan(info, (Stage("makers", "records", lambda: records(source)),))


LOADER = Loader(
    "mvx", "Makers of vaccines (MVX)", "the CDC's file mvx.txt, separated by bars",
    {"version": "the version to give it"}, plan,
)  # fmt: skip
