"""The official R4 suite, whole (https://github.com/FHIR/fhir-test-cases, r4/fhirpath)."""

from __future__ import annotations

import functools
import json
import re
import xml.etree.ElementTree as ElementTree
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from fhir_server.codec import xml
from fhir_server.definitions import load
from fhir_server.fhirpath import FhirPathError, Result, compile_path

DATA = Path(__file__).parents[2] / "data/fhirpath"
KNOWN_FAILURES: dict[str, str] = json.loads((DATA / "known_failures.json").read_text())


class Case(NamedTuple):
    """invalid: syntax | semantic | execution, "" for a case with outputs: (type, "" for any; text)."""

    id: str
    expression: str
    input: str
    invalid: str
    predicate: bool
    ordered: bool
    outputs: list[tuple[str, str]]


def cases() -> list[Case]:
    found = []
    for group in ElementTree.parse(DATA / "tests-fhir-r4.xml").getroot().iter("group"):
        for number, test in enumerate(group.iter("test")):
            expression = test.find("expression")
            assert expression is not None
            found.append(
                Case(
                    f"{group.get('name')}/{number}-{test.get('name')}",
                    expression.text or "",
                    test.get("inputfile", ""),
                    expression.get("invalid", ""),
                    test.get("predicate") == "true",
                    test.get("ordered") != "false",
                    [(output.get("type", ""), output.text or "") for output in test.iter("output")],
                )
            )
    return found


@functools.cache
def resource(name: str) -> dict[str, Any]:
    if not name:
        return {"resourceType": "Basic"}
    text = (DATA / "inputs" / name).read_text()
    if name.endswith(".json"):
        return json.loads(text, parse_float=Decimal)
    if (
        name == "observation-example.xml"
    ):  # its extension stands after the status, where R4's schema has no place for it
        extension = re.search(r"<extension.*?</extension>", text, re.DOTALL)
        assert extension is not None
        status = '<status value="final"'
        text = text.replace(extension[0], "").replace(status, extension[0] + status)
    return xml.parse(text.encode(), load())


def comparable(text: str) -> str | Decimal:
    text = text.strip().removeprefix("@")
    if re.match(r"T\d", text):
        text = text[1:]
    try:
        return Decimal(text).normalize() + 0
    except InvalidOperation:
        return text


def shown(result: Result) -> str:
    if result.fhir_type == "boolean":
        return "true" if result.value else "false"
    if result.fhir_type == "Quantity":
        return f"{result.value['value']} '{result.value['unit']}'"
    return str(result.value)


def problem_of(case: Case) -> str:
    """Why a case does not pass, "" where it does."""
    item = resource(case.input)
    try:
        path = compile_path(case.expression, load(), item["resourceType"], strict=True)
    except FhirPathError as failure:
        return "" if case.invalid else str(failure)
    if case.invalid in ("syntax", "semantic"):
        return f"compiles, but its {case.invalid} is wrong"
    try:
        if case.predicate:
            results = [("boolean", "true" if path.is_true(item) else "false")]
        else:
            results = [(result.fhir_type, shown(result)) for result in path.evaluate(item)]
    except FhirPathError as failure:
        return "" if case.invalid else str(failure)
    if case.invalid:
        return f"yields {results}, but should fail"
    expected = [
        (name or found[0], comparable(text)) for (name, text), found in zip(case.outputs, results, strict=False)
    ]
    found = [(name, comparable(text)) for name, text in results]
    if not case.ordered:
        expected, found = sorted(expected, key=str), sorted(found, key=str)
    return "" if len(case.outputs) == len(results) and expected == found else f"yields {results}"


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.id)
def test_official_case(case: Case) -> None:
    problem = problem_of(case)
    if case.id in KNOWN_FAILURES:
        assert problem, f"{case.id} passes now: take it out of known_failures.json"
    else:
        assert not problem, f"{case.expression}: expected {case.invalid or case.outputs}; {problem}"


def test_the_suite_is_whole() -> None:
    assert len(cases()) == 935
    assert KNOWN_FAILURES.keys() <= {case.id for case in cases()}
