"""The official SQL on FHIR tests, whole, in memory and by DuckDB."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_server import definitions as r4
from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError, error
from fhir_server.views import Evaluator, read_view
from fhir_server.views.sql.compile import compile_view
from fhir_server.views.sql.prepare import prepare
from fhir_server.views.sql.shape import NotInSqlError

SUITE = Path(__file__).parents[2] / "data" / "sql-on-fhir"
R4 = r4.load()


def cases() -> list[Any]:
    found = []
    for file in sorted(SUITE.glob("*.json")):
        suite = json.loads(file.read_text())
        for test in suite["tests"]:
            found.append(pytest.param(suite["resources"], test, id=f"{file.stem}: {test['title']}"))
    return found


CASES = cases()


def test_it_is_whole() -> None:
    assert len(CASES) == 134


def in_memory(view: dict[str, Any], resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    evaluator = Evaluator(read_view(view, R4), R4)
    return [row for resource in resources for row in evaluator.rows(decode(json.dumps(resource).encode()))]


def comparable(rows: list[dict[str, Any]]) -> list[str]:
    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(each) for each in value]
        return value if isinstance(value, (bool, str)) or value is None else float(value)

    return sorted(json.dumps({key: plain(value) for key, value in row.items()}, sort_keys=True) for row in rows)


def check(rows: Any, test: dict[str, Any]) -> None:
    if test.get("expectError"):
        with pytest.raises(FhirError):
            rows()
        return
    found = rows()
    assert comparable(found) == comparable(test["expect"])
    if "expectColumns" in test and found:
        assert list(found[0]) == test["expectColumns"]


@pytest.mark.parametrize(("resources", "test"), CASES)
def test_in_memory(resources: list[dict[str, Any]], test: dict[str, Any]) -> None:
    check(lambda: in_memory(test["view"], resources), test)


def by_duckdb(view: dict[str, Any], resources: list[dict[str, Any]]) -> list[dict[str, Any]]:
    import duckdb

    read = read_view(view, R4)
    connection = duckdb.connect()
    connection.execute("CREATE TABLE resources (body VARCHAR)")
    connection.executemany("INSERT INTO resources VALUES (?)", [[json.dumps(each)] for each in resources])
    try:
        answer = connection.execute(prepare(connection, read, R4, "SELECT body FROM resources"))
        names = [column[0] for column in answer.description]
        return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
    except duckdb.InvalidInputException as problem:
        raise error("unprocessable", str(problem)) from problem


@pytest.mark.parametrize(("resources", "test"), CASES)
def test_by_duckdb(resources: list[dict[str, Any]], test: dict[str, Any]) -> None:
    check(lambda: by_duckdb(test["view"], resources), test)


# What has no SQL form is evaluated by the engine inside of DuckDB. A view that gets one must leave this list.
BY_ENGINE = {
    "repeat": 7,  # recursion
    "row_index": 1,  # repeat
    "constant_types": 3,  # comparisons of dateTime, instant, time
    "fn_boundary": 6,  # of decimals, dateTime, time
}


def test_all_others_are_native_sql() -> None:
    found: dict[str, int] = {}
    for case in CASES:
        test = case.values[1]
        if test.get("expectError"):
            continue
        try:
            compile_view(read_view(test["view"], R4), R4, "SELECT body FROM resources")
        except NotInSqlError:
            file = str(case.id).partition(":")[0]
            found[file] = found.get(file, 0) + 1
    assert found == BY_ENGINE
