"""ISO 3166-1 countries, from a CSV file with a column for each kind of code."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from fhir_server.core.errors import error
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.model import Designation, Property, Record, SystemInfo

URL = "urn:iso:std:iso:3166"
# The columns by the names that the usual tables give them, in the order of preference.
_COLUMNS = {
    "alpha-2": ("ISO3166-1-Alpha-2", "alpha-2", "Alpha-2 code", "alpha2"),
    "alpha-3": ("ISO3166-1-Alpha-3", "alpha-3", "Alpha-3 code", "alpha3"),
    "numeric": ("ISO3166-1-numeric", "country-code", "numeric", "Numeric code"),
    "name": ("CLDR display name", "name", "English short name", "official_name_en"),
    "fr": ("official_name_fr", "French short name"),
    "es": ("official_name_es",),
}
_KINDS = ("alpha-2", "alpha-3", "numeric")


def _columns(source: Path) -> dict[str, str]:
    with source.open(encoding="utf-8-sig", newline="") as lines:
        header = next(csv.reader(lines), [])
    found = {key: next((n for n in names if n in header), "") for key, names in _COLUMNS.items()}
    missing = [key for key in (*_KINDS, "name") if not found[key]]
    if missing:
        raise error(
            "unprocessable", f"{source.name} has no column for {', '.join(missing)}; it has: {', '.join(header)}."
        )
    return found


def records(source: Path) -> Iterator[Record]:
    """Three concepts for each country, since R4 has all three kinds of code in one system; each names the others."""
    columns = _columns(source)
    with source.open(encoding="utf-8-sig", newline="") as lines:
        rows = [{key: (row[name] or "").strip() if name else "" for key, name in columns.items()}
                for row in csv.DictReader(lines)]  # fmt: skip
    for row in rows:
        row["numeric"] = row["numeric"].zfill(3) if row["numeric"].isdecimal() else ""
    for kind in _KINDS:
        for row in sorted(rows, key=lambda row: row[kind]):
            if row[kind]:
                yield Record(
                    row[kind],
                    row["name"],
                    designations=tuple(
                        Designation(row[language], language) for language in ("fr", "es") if row[language]
                    ),
                    properties=(
                        Property("kind", "code", kind),
                        *(Property(other, "code", row[other]) for other in _KINDS if other != kind and row[other]),
                    ),
                )


def plan(source: Path, options: Options) -> Plan:
    """The file has no version; an option may give one."""
    _columns(source)
    info = SystemInfo(URL, options.get("version", ""), "ISO 3166-1 country codes")
    return Plan(info, (Stage("countries", "records", lambda: records(source)),))


LOADER = Loader(
    "countries",
    "ISO 3166-1 countries",
    "a CSV file with alpha-2, alpha-3 and numeric codes and names",
    {"version": "the date of the list, as the version"},
    plan,
)
