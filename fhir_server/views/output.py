"""Rows as JSON, NDJSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from fhir_server.codec.json import serialize

Row = dict[str, Any]

# name of a format -> what it is sent as
TYPES = {"json": "application/json", "ndjson": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
_NAMES = {
    "application/json": "json", "application/fhir+json": "json", "application/ndjson": "ndjson",
    "application/fhir+ndjson": "ndjson", "application/x-ndjson": "ndjson", "text/csv": "csv",
}  # fmt: skip


def format_named(text: str) -> str:
    """json, ndjson or csv, by name or media type; "" for anything else."""
    text = text.strip().lower().replace(" ", "+")
    return text if text in TYPES else _NAMES.get(text.partition(";")[0].strip(), "")


def written(rows: Iterable[Row], columns: Sequence[str], format: str, *, header: bool = True) -> bytes:
    """Rows in a format. A list is a JSON array, in CSV its JSON text; no value is null, in CSV nothing."""
    if format == "json":
        return b"[" + b",".join(map(serialize, rows)) + b"]"
    if format == "ndjson":
        return b"".join(serialize(row) + b"\n" for row in rows)
    output = io.StringIO(newline="")
    writer = csv.writer(output, lineterminator="\r\n")
    if header:
        writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return output.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float, Decimal)):
        return str(value)
    return serialize({"": value}).decode()[4:-1]
