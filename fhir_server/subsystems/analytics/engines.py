"""The lake for other engines than DuckDB: a script in their SQL that makes every view and Delta table one of theirs.

It gives the functions that indicators use, so that their SQL is taken as it is where the engine has the rest of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from fhir_server.core.errors import error
from fhir_server.subsystems.analytics.lake import Lake
from fhir_server.subsystems.analytics.query import LakeQuery


class Engine(NamedTuple):
    """functions: statements that make moment and local_moment in a {zone}, and strftime.

    view: what makes one of a {name}, before its SELECTs;
    rows: of a Parquet {file}; delta: of the Delta table in the folder {file}, "" where its files are named instead.
    """

    functions: Sequence[str]
    view: str
    rows: str
    delta: str = ""


ENGINES = {
    "clickhouse": Engine(
        (
            "CREATE OR REPLACE FUNCTION moment AS (written) -> "
            "toTimeZone(parseDateTime64BestEffortOrNull(written, 6, '{zone}'), 'UTC')",
            "CREATE OR REPLACE FUNCTION local_moment AS (written) -> "
            "parseDateTime64BestEffortOrNull(written, 6, '{zone}')",
            "CREATE OR REPLACE FUNCTION strftime AS (moment, format) -> formatDateTime(moment, format)",
        ),
        "CREATE OR REPLACE VIEW {name} AS ",
        "SELECT * FROM file('{file}', Parquet)",
        "SELECT * FROM deltaLakeLocal('{file}')",
    ),
    "spark": Engine(
        (
            "SET spark.sql.session.timeZone = UTC",
            "CREATE OR REPLACE TEMPORARY FUNCTION moment(written STRING) RETURNS TIMESTAMP RETURN CASE WHEN "
            "contains(written, 'T') THEN try_to_timestamp(written) "
            "ELSE to_utc_timestamp(try_to_timestamp(written), '{zone}') END",
            "CREATE OR REPLACE TEMPORARY FUNCTION local_moment(written STRING) RETURNS TIMESTAMP RETURN CASE WHEN "
            "contains(written, 'T') THEN from_utc_timestamp(try_to_timestamp(written), '{zone}') "
            "ELSE try_to_timestamp(written) END",
            "CREATE OR REPLACE TEMPORARY FUNCTION strftime(moment TIMESTAMP, format STRING) RETURNS STRING RETURN "
            "date_format(moment, replace(replace(replace(format, '%Y', 'yyyy'), '%m', 'MM'), '%d', 'dd'))",
        ),
        "CREATE OR REPLACE TEMPORARY VIEW {name} AS ",
        "SELECT * FROM parquet.`{file}`",
    ),
}


def script(engine: str, lake: Lake, asked: LakeQuery, seen: str = "") -> Iterator[str]:
    """Its statements, for the lake as it is now; seen: where the engine finds the lake's folder, "" for its own path.

    FhirError "value" for an engine that is none of these.
    """
    if engine not in ENGINES:
        near = difflib.get_close_matches(engine, ENGINES, 1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise error("value", f"The engine must be one of {', '.join(ENGINES)}, not {engine[:40]!r}.{hint}")
    words = ENGINES[engine]
    folder = str(lake.folder.resolve())
    place = seen.rstrip("/") or folder

    def at(file: str) -> str:
        return place + str(Path(file).resolve()).removeprefix(folder)

    yield from (function.replace("{zone}", asked.timezone) for function in words.functions)
    for name, files in asked.files().items():
        rows = " UNION ALL ".join(words.rows.format(file=at(file)) for file in files)
        yield words.view.format(name=name) + rows
    for type in lake.tables():
        own = [words.delta.format(file=at(str(lake.folder / type)))] if words.delta else [
            words.rows.format(file=at(file)) for file in lake.files(type)
        ]  # fmt: skip
        if own:
            yield words.view.format(name=f"{type}_resources") + " UNION ALL ".join(own)
