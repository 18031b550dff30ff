"""hms k-anonymity: how well the people in an NDJSON file hide among each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def k_anonymity(
    file: Annotated[Path, typer.Argument(help="NDJSON of one resource type, such as an export gives.", exists=True)],
    type: Annotated[str, typer.Option(help="The resource type.")] = "Patient",
    quasi: Annotated[
        list[str] | None,
        typer.Option(help="FHIRPath of what may be known from elsewhere; may repeat. Else: sex, year of birth, zip."),
    ] = None,
    threshold: Annotated[int, typer.Option(help="Classes smaller than this are counted as small.", min=2)] = 5,
) -> None:
    """Tell the size of the smallest class of resources that can't be told apart, and how many are in small ones."""
    from fhir_server import definitions
    from fhir_server.codec.json import parse
    from fhir_server.core.errors import error
    from fhir_server.security.deidentification.anonymity import QUASI_IDENTIFIERS, anonymity

    r4 = definitions.load()
    if not r4.is_resource(type):
        raise error("unknown-type", f"'{type}' is no R4 resource type.")
    with file.open("rb") as lines:
        resources = (parse(line) for line in lines if line.strip())
        report = anonymity(resources, r4, type, quasi or QUASI_IDENTIFIERS, threshold)
    for name, value in report._asdict().items():
        print(f"{name:10} {value}")
