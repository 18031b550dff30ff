"""hms tables: the lake as tables of ClickHouse or Spark."""

from __future__ import annotations

from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data
from fhir_server.core.configuration import load as load_settings


def tables(
    engine: Annotated[str, typer.Argument(help="clickhouse or spark.", show_default=False)],
    lake: Annotated[
        str, typer.Option(metavar="PATH", help="Where the engine finds the lake's folder; else its own path.")
    ] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Print SQL that makes every view and resource type of the lake, as it is now, a table of another engine."""
    from fhir_server.commands.analytics import opened_lake
    from fhir_server.subsystems.analytics.engines import script

    kept, asked = opened_lake(load_settings({"data": data}, config=config))
    for statement in script(engine, kept, asked, lake):
        print(f"{statement};")
