"""Code systems of one's own from a CSV file.

Lines that begin with # say what the code system is; then comes a header and a concept a line:

    # url: http://example.org/codes
    # version: 2026
    # name: Codes of our wards
    code,display,definition,parent,status,display:de,floor
    W,Wards,,,,Stationen,
    W1,Ward 1,,W,active,Station 1,3

Columns: code; display; definition; parent (several separated by ;); status (active, inactive, retired, deprecated);
abstract (true); display:LANGUAGE for other languages; any other column is a property.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from fhir_server.core.errors import error
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.model import ABSTRACT, INACTIVE, Designation, Property, Record, SystemInfo

_KEYS = ("url", "version", "name", "caseSensitive")
_FIXED = ("code", "display", "definition", "parent", "status", "abstract")
_STATUS = {"": 0, "active": 0, "inactive": INACTIVE, "retired": INACTIVE, "deprecated": 0}

Header = tuple[dict[str, str], list[str]]


def _lines(source: Path) -> Iterator[str]:
    with source.open(encoding="utf-8-sig", newline="") as lines:
        yield from lines


def header(source: Path) -> Header:
    """What the lines with # say, and the columns."""
    said: dict[str, str] = {}
    for line in _lines(source):
        if not line.startswith("#"):
            columns = [column.strip() for column in next(csv.reader([line]), [])]
            if "code" not in columns:
                message = f"{source.name} has no column 'code'; its header is: {line.strip()[:200]}"
                raise error("unprocessable", message)
            return said, columns
        key, _, value = line[1:].partition(":")
        said[key.strip()] = value.strip()
    raise error("unprocessable", f"{source.name} has no header line with the columns.")


def records(source: Path) -> Iterator[Record]:
    """A concept for each row."""
    _, columns = header(source)
    rows = csv.reader(line for line in _lines(source) if not line.startswith("#"))
    next(rows)
    for row in rows:
        if not any(row):
            continue
        if len(row) > len(columns):
            raise error(
                "unprocessable", f"{source.name}, near line {rows.line_num}: {len(row)} fields, {len(columns)} columns."
            )
        yield _record(source, dict(zip(columns, (field.strip() for field in row), strict=False)), rows.line_num)


def _record(source: Path, row: dict[str, str], number: int) -> Record:
    code, status = row.get("code", ""), row.get("status", "")
    if not code:
        raise error("unprocessable", f"{source.name}, near line {number}: the code is missing.")
    if status not in _STATUS:
        known = ", ".join(filter(None, _STATUS))
        raise error("unprocessable", f"{source.name}, near line {number}: the status '{status}' is none of {known}.")
    abstract = row.get("abstract", "").lower() == "true"
    properties = [Property(name, "string", value) for name, value in row.items() if value and _is_property(name)]
    if status:
        properties.append(Property("status", "code", status))
    return Record(
        code,
        row.get("display", ""),
        row.get("definition", ""),
        _STATUS[status] | (ABSTRACT if abstract else 0),
        tuple(Designation(v, n.partition(":")[2]) for n, v in row.items() if n.startswith("display:") and v),
        tuple(properties),
        tuple(parent.strip() for parent in row.get("parent", "").split(";") if parent.strip()),
    )


def _is_property(name: str) -> bool:
    return name not in _FIXED and not name.startswith("display:")


def plan(source: Path, options: Options) -> Plan:
    """Options overrule what the file says."""
    said, _ = header(source)
    unknown = [key for key in said if key not in _KEYS]
    if unknown:
        raise error("unprocessable", f"{source.name} says '# {unknown[0]}:', which is none of: {', '.join(_KEYS)}.")
    said |= options
    if not said.get("url"):
        raise error("unprocessable", f"{source.name} has no line '# url: …' that names the code system.")
    case_sensitive = said.get("caseSensitive", "true").lower() != "false"
    info = SystemInfo(said["url"], said.get("version", ""), said.get("name", ""), case_sensitive=case_sensitive)
    return Plan(info, (Stage("concepts", "records", lambda: records(source)),))


LOADER = Loader(
    "csv", "CSV", "a CSV file with lines '# url: …' and '# version: …' before its header",
    {"url": "the code system's url", "version": "its version", "name": "its name"}, plan,
)  # fmt: skip
