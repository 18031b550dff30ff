"""The IANA media types registry (https://www.iana.org/assignments/media-types)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from fhir_server.core.errors import error
from terminology.grammars.mime import REGISTRY
from terminology.loaders.loader import Loader, Options, Plan, Stage
from terminology.model import INACTIVE, Property, Record, SystemInfo

_REMARK = re.compile(r"\s*[-(].*(DEPRECATED|OBSOLETE).*", re.IGNORECASE)


def records(files: list[Path]) -> Iterator[Record]:
    """A concept for each row of the tables, coded type/subtype in lower case."""
    seen: set[str] = set()
    for file in files:
        with file.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                remark = _REMARK.search(row["Name"])
                template = row["Template"].strip() or f"{file.stem}/{_REMARK.sub('', row['Name']).strip()}"
                code = template.lower()
                if code in seen:
                    continue
                seen.add(code)
                references = re.findall(r"\[([^\]]+)\]", row.get("Reference") or "")
                yield Record(
                    code,
                    template,
                    flags=INACTIVE if remark else 0,
                    properties=tuple(Property("reference", "string", reference) for reference in references),
                )


def plan(source: Path, options: Options) -> Plan:
    """source: one table, or the folder of the tables application.csv, audio.csv and so on."""
    files = sorted(source.glob("*.csv")) if source.is_dir() else [source]
    for file in files:
        with file.open(encoding="utf-8") as lines:
            if not lines.readline().startswith("Name,Template"):
                raise error(
                    "unprocessable", f"{file.name} is not a table of IANA's media types (Name,Template,Reference)."
                )
    if not files:
        raise error("unprocessable", f"{source.name} has no .csv files of IANA's media types.")
    info = SystemInfo(REGISTRY, options.get("version", ""), "IANA media types", case_sensitive=False)
    return Plan(info, (Stage("media types", "records", lambda: records(files)),))


LOADER = Loader(
    "mime",
    "Media types (BCP 13)",
    "IANA's media types tables: a .csv file, or the folder of them",
    {"version": "the date of the download, as the version"},
    plan,
)
