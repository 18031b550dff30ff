"""Rows of a file without header whose fields are separated by bars, as the CDC publishes them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from fhir_server.core.errors import error


def pipe_rows(source: Path, columns: Sequence[str]) -> Iterator[dict[str, str]]:
    """Each line as a dict; FhirError unprocessable where a line has another number of fields, or there is none."""
    empty = True
    with source.open(encoding="utf-8-sig", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            fields = [field.strip() for field in line.rstrip("\r\n").split("|")]
            if len(fields) != len(columns):
                reason = f"has {len(fields)} fields between bars, not {len(columns)}"
                raise error("unprocessable", f"{source.name}, line {number}, {reason}: {', '.join(columns)}.")
            empty = False
            yield dict(zip(columns, fields, strict=True))
    if empty:
        raise error("unprocessable", f"{source.name} is empty.")
