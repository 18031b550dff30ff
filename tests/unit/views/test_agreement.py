"""Memory and DuckDB give the same rows of the sample patients."""

import json
from collections import defaultdict
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from fhir_server import definitions as r4
from fhir_server.codec.json import decode
from fhir_server.loading.sources import documents
from fhir_server.samples import ARCHIVE
from fhir_server.views import Evaluator, read_view
from fhir_server.views.library import SHIPPED, Library
from fhir_server.views.sql.prepare import prepare

R4 = r4.load()
OTHERS = [
    ("Patient", [{"forEach": "name", "column": [{"name": "use", "path": "use"}, {"name": "i", "path": "%rowIndex"}],
                  "select": [{"forEachOrNull": "given", "column": [{"name": "given", "path": "$this"}]}]},
                 {"forEachOrNull": "extension", "column": [{"name": "url", "path": "url"}]}]),
    ("Patient", [{"column": [{"name": "race", "path": "extension('http://hl7.org/fhir/us/core/StructureDefinition/us-core-race')"
                              ".extension('text').value.ofType(string).first()"},
                             {"name": "phones", "path": "telecom.where(system = 'phone').value", "collection": True},
                             {"name": "old", "path": "birthDate < @1960-01-01"},
                             {"name": "n", "path": "identifier.count()"}]}]),
    ("Observation", [{"unionAll": [
        {"column": [{"name": "v", "path": "value.ofType(Quantity).value", "type": "decimal"},
                    {"name": "c", "path": "code.coding.first().code"}]},
        {"forEach": "component", "column": [{"name": "v", "path": "value.ofType(Quantity).value", "type": "decimal"},
                                            {"name": "c", "path": "code.coding.first().code"}]}]}]),
    ("Claim", [{"forEach": "item", "column": [
        {"name": "s", "path": "sequence"},
        {"name": "e", "path": "encounter.getReferenceKey(Encounter)", "collection": True}]}]),
]  # fmt: skip


WITHOUT_SAMPLES = ("orders", "appointments", "claim_responses", "worked_times")  # the sample patients have none


@pytest.fixture(scope="module")
def sample() -> dict[str, list[str]]:
    found = defaultdict(list)
    for document in documents([ARCHIVE]):
        for entry in json.load(document.stream)["entry"]:
            resource = entry["resource"]
            resource["id"] = entry["fullUrl"].rpartition(":")[2]
            if len(found[resource["resourceType"]]) < 2000:
                found[resource["resourceType"]].append(json.dumps(resource))
    return found


VIEWS = [view.json for view in Library([SHIPPED], R4).all()] + [
    {"name": f"other{n}", "resource": resource, "select": select} for n, (resource, select) in enumerate(OTHERS)
]


@pytest.mark.parametrize("json_view", VIEWS, ids=lambda view: view["name"])
def test_the_same_rows(json_view: dict[str, Any], sample: dict[str, list[str]]):
    view = read_view(json_view, R4)
    bodies = sample[view.resource]
    evaluator = Evaluator(view, R4)
    expected = [tuple(row.values()) for body in bodies for row in evaluator.rows(decode(body.encode()))]
    connection = duckdb.connect()
    connection.execute("CREATE TABLE resources (body VARCHAR)")
    if bodies:
        connection.execute("INSERT INTO resources SELECT unnest(?)", [bodies])
    found = connection.execute(prepare(connection, view, R4, "SELECT body FROM resources")).fetchall()
    assert bodies or view.name in WITHOUT_SAMPLES
    assert sorted(repr(tuple(map(_plain, row))) for row in found) == sorted(
        repr(tuple(map(_plain, row))) for row in expected
    )


def test_a_value_that_is_only_said_to_be_absent_is_there_for_both():
    absent = {
        "extension": [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "masked"}]
    }
    patients = [
        {"resourceType": "Patient", "id": "masked", "_gender": absent,
         "name": [{"given": [None, "B"], "_given": [absent, None]}]},
        {"resourceType": "Patient", "id": "none"},
        {"resourceType": "Patient", "id": "said", "gender": "male", "name": [{"given": ["A"]}]},
    ]  # fmt: skip
    columns = {"id": "id", "gender": "gender", "known": "gender.exists()", "given": "name.given.first()"}
    select = [{"column": [{"name": name, "path": path} for name, path in columns.items()]}]
    view = read_view(
        {"resource": "Patient", "name": "absent", "select": select, "where": [{"path": "gender.exists()"}]}, R4
    )
    expected = [("masked", None, True, None), ("said", "male", True, "A")]
    evaluator, connection = Evaluator(view, R4), duckdb.connect()
    assert [tuple(row.values()) for patient in patients for row in evaluator.rows(patient)] == expected
    connection.execute("CREATE TABLE resources (body VARCHAR)")
    connection.execute("INSERT INTO resources SELECT unnest(?)", [[json.dumps(each) for each in patients]])
    found = connection.execute(prepare(connection, view, R4, "SELECT body FROM resources")).fetchall()
    assert sorted(found) == expected


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal | int) and not isinstance(value, bool) else value
