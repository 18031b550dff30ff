"""Expressions and their results, by section of the specification: tests/data/fhirpath/examples.

A line is `expression ==> result, result`, or `==> ! kind` for an error; they run in strict mode on a Patient.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_server.definitions import Definitions
from fhir_server.fhirpath import Environment, FhirPathError, Result, compile_path

EXAMPLES = Path(__file__).parents[2] / "data/fhirpath/examples"
NOON = datetime.datetime(2026, 3, 4, 12, 30, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
ENVIRONMENT = Environment(now=lambda: NOON, max_seconds=5, max_steps=100_000)


def lines() -> Iterator[Any]:
    for file in sorted(EXAMPLES.glob("*.txt")):
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if line and not line.startswith("# "):
                expression, separator, expected = line.partition(" ==>")
                assert separator, f"{file.name} {number}: no ==>"
                yield pytest.param(expression, expected.strip(), id=f"{file.stem}-{number}")


def shown(result: Result) -> str:
    value, kind = result.value, result.fhir_type
    if kind == "boolean":
        return "true" if value else "false"
    if kind == "Quantity":
        quoted = value["system"] == "http://unitsofmeasure.org"
        return f"{value['value']:f} '{value['unit']}'" if quoted else f"{value['value']:f} {value['unit']}"
    if kind in ("date", "dateTime", "instant"):
        return f"@{value}"
    if kind == "time":
        return f"@T{value}"
    return f"{value:f}" if isinstance(value, Decimal) else f"'{value}'" if isinstance(value, str) else str(value)


def normal(text: str) -> str:
    """Numbers without the zeros that the precision of a calculation leaves."""
    try:
        return f"{Decimal(text).normalize():f}"
    except ArithmeticError:
        number, space, unit = text.partition(" ")
        return f"{normal(number)} {unit}" if space and number.lstrip("-").replace(".", "").isdigit() else text


@pytest.mark.parametrize(("expression", "expected"), list(lines()))
def test_example(expression: str, expected: str, patient: dict[str, Any], definitions: Definitions) -> None:
    try:
        results = compile_path(expression, definitions, "Patient", strict=True).evaluate(patient, None, ENVIRONMENT)
    except FhirPathError as failure:
        assert expected == f"! {failure.kind}", str(failure)
        return
    found = [normal(shown(result)) for result in results]
    assert ", ".join(found) == ", ".join(normal(part) for part in expected.split(", ")), results
