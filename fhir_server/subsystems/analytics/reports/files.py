"""The files of a report: a CSV for the indicators and one for each question, a PDF with all of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from fhir_server.core.errors import error
from fhir_server.subsystems.analytics.reports.content import Content

CSV = "text/csv"
PDF = "application/pdf"
MEASURED = ("indicator", "title", "unit", "month", "value", "of", "target", "met")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet would take a text for one


class File(NamedTuple):
    """type: without parameters; what is text is UTF-8."""

    name: str
    type: str
    content: bytes


def names(content: Content, formats: Sequence[str]) -> list[str]:
    """Those of the files, in their order."""
    made = []
    stem = f"{content.name}-{content.period}"
    if "pdf" in formats:
        made.append(f"{stem}.pdf")
    if "csv" in formats:
        made += [f"{stem}-indicators.csv"] if content.indicators else []
        made += [f"{stem}-{number}.csv" for number in range(1, len(content.tables) + 1)]
    return made


def file(content: Content, name: str, font: str = "") -> File:
    """One of them; font: the TrueType file that a PDF is set in. FhirError "not-found" for a name that is none."""
    if name not in names(content, ("pdf", "csv")):
        raise error("not-found", f"The report has no file {name[:100]}.")
    if name.endswith(".pdf"):
        from fhir_server.subsystems.analytics.reports.pdf import pdf

        return File(name, PDF, pdf(content, font))
    number = name.removesuffix(".csv").rpartition("-")[2]
    if number == "indicators":
        return File(name, CSV, _csv(MEASURED, _measured(content)))
    table = content.tables[int(number) - 1]
    return File(name, CSV, _csv(table.columns, table.rows))


def _measured(content: Content) -> Iterable[Sequence[Any]]:
    for each in content.indicators:
        for month, value, rows, met in each.months:
            yield each.name, each.title, each.unit, month, value, rows, each.target, met


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    writer.writerows([_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
