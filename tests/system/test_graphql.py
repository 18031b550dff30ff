"""$graphql: the official cases, and what they leave open (https://hl7.org/fhir/R4/graphql.html)."""

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from graphql import build_client_schema, get_introspection_query, print_schema
from lxml import etree

from fhir_server.core.settings import Settings
from tests.conftest import Fhir, running
from tests.official_examples import official_examples

pytestmark = pytest.mark.anyio

CASES = Path(__file__).parents[1] / "data/graphql"
MANIFEST = [
    {str(name): str(value) for name, value in case.items()}
    for case in etree.parse(CASES / "manifest.xml").getroot().findall("test")
]
VARIABLES = {"directive-variable": {"var": True}}  # the manifest says which operation, not its variables
KNOWN = {
    "extension-simple": "a field that is asked for twice is one object of both, as GraphQL's specification says: "
    "https://spec.graphql.org/October2021/#sec-Field-Selection-Merging",
    "search-simple": "the answer is that of a mocked server, which has two Patients only",
    "search-full": "the same, with a score and a cursor of its own",
}


RESOURCES = {  # of the official examples, as the cases call them
    "Patient-example": "Patient/example",
    "Patient-xds": "Patient/xds",
    "Patient-glossy": "Patient/glossy",
    "Condition-example": "Condition/example",
    "Observation-example": "Observation/example",
    "Observation-20minute-apgar-score": "Observation/20minute-apgar-score",
    "MedicationDispense-meddisp008": "MedicationDispense/meddisp008",
    "List-long": "List/example-long",
}


@pytest.fixture(scope="module")
async def official(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fhir]:
    """A server with the resources that the cases ask for."""
    async with running(Settings(data=tmp_path_factory.mktemp("graphql"))) as fhir:
        for name, content in official_examples():
            place = RESOURCES.get(name.removeprefix("package/").removesuffix(".json"))
            if place is not None:
                resource = {**json.loads(content), "id": place.partition("/")[2]}
                answer = await fhir.put(place, resource)
                assert answer.status_code == 201, answer.text
        yield fhir


async def ask(fhir: Fhir, query: str, at: str = "", **more: Any) -> httpx.Response:
    """A query as GraphQL has it over HTTP, at the system or at a resource."""
    place = f"{at}/$graphql" if at else "$graphql"
    return await fhir.post(place, {"query": query, **more}, content_type="application/json")


async def data(fhir: Fhir, query: str, at: str = "", **more: Any) -> Any:
    answer = await ask(fhir, query, at, **more)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    return answer.json()["data"]


def expected(case: dict[str, str]) -> Any:
    return json.loads((CASES / case["output"]).read_text())


@pytest.mark.parametrize(
    "case", [each for each in MANIFEST if each["name"] not in KNOWN], ids=lambda case: case["name"]
)
async def test_official_cases(official: Fhir, case: dict[str, str]) -> None:
    query = (CASES / case["source"]).read_text()
    place = case["context"].removesuffix("/$graphql")
    answer = await ask(official, query, place, variables=VARIABLES.get(case["name"], {}))
    if case["output"] == "$error":
        assert 400 <= answer.status_code < 500
        error = answer.json()["errors"][0]
        assert error["message"] == error["extensions"]["resource"]["issue"][0]["diagnostics"]
    else:
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"] == expected(case)


async def test_official_calls(official: Fhir) -> None:
    groups = json.loads((CASES / "server-tests.json").read_text())
    calls = [call for name in ("instance-tests", "root-tests") for call in groups[name].values()]
    assert len(calls) == 2
    for call in calls:
        answer = await official.get(call["url"].removeprefix("/"))
        assert answer.json() == call["output"], call["description"]


async def test_known_differences_are_still_there(official: Fhir) -> None:
    for case in MANIFEST:
        if case["name"] in KNOWN:
            query = (CASES / case["source"]).read_text()
            assert await data(official, query, case["context"].removesuffix("/$graphql")) != expected(case)


def observation(number: int, value: int, subject: str = "Patient/a") -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final" if number % 2 else "amended",
        "code": {"text": "weight, net"},
        "subject": {"reference": subject},
        "valueQuantity": {"value": value, "unit": "kg"},
    }


@pytest.fixture
async def ward(fhir: Fhir) -> Fhir:
    """Two Patients, of whom one has five Observations and a practitioner that is contained."""
    await fhir.create(
        {"resourceType": "Patient", "id": "a", "name": [{"use": "usual", "given": [None, "Ann"], "_given": [
            {"extension": [{"url": "http://x.test", "valueString": "Q"}]}, None], "family": "Berg"}, {"family": "Alm"}],
         "generalPractitioner": [{"reference": "#p"}],
         "contained": [{"resourceType": "Practitioner", "id": "p", "name": [{"family": "Falk"}]}]}
    )  # fmt: skip
    await fhir.create({"resourceType": "Patient", "id": "b", "name": [{"family": "Ceder"}]})
    for number in range(1, 6):
        await fhir.create(observation(number, number * 10))
    return fhir


CEDER = {"PatientList": [{"id": "b"}]}


async def test_a_query_may_come_in_four_ways(ward: Fhir) -> None:
    query = "query Q($name: String) { PatientList(name: $name) { id } } query Other { PatientList { id } }"
    variables = {"name": "Ceder"}
    asked = f"query={quote(query)}&operationName=Q&variables={quote(json.dumps(variables))}"
    parameters = {
        "resourceType": "Parameters",
        "parameter": [{"name": "query", "valueString": '{PatientList(name: "Ceder") {id}}'}],
    }
    answers = [
        await ward.get(f"$graphql?{asked}"),
        await ask(ward, query, operationName="Q", variables=variables),
        await ward.post("$graphql", b'{PatientList(name: "Ceder") {id}}', content_type="application/graphql"),
        await ward.post("$graphql", parameters),
        await ward.post("$graphql", parameters, content_type="application/json"),
    ]
    assert [answer.json() for answer in answers] == [{"data": CEDER}] * 5


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('{PatientList(name: ["Ceder", "nobody"]) {id}}', CEDER),  # an array is of alternatives
        ('{PatientList(_filter: "family eq Ceder") {id}}', CEDER),
        ("{PatientList(name: Ceder) {id}}", CEDER),
        ('{PatientList(fhirpath: "name.family = \'Ceder\'") {id}}', CEDER),
        ('{PatientList(name: "Ceder\\\\,x") {id}}', {"PatientList": []}),
        ('{ObservationList(code: "weight, net", _sort: _id, _count: 1) {id}}', {"ObservationList": []}),
        ("{ObservationList(status: final, subject: \"Patient/a\", _count: 1, _sort: _id) {id}}",
         {"ObservationList": [{"id": "o1"}]}),
        ("{PatientList(active: true) {id}}", {"PatientList": []}),
        ("{Patient(id: b) {__typename resourceType name {family}}}",
         {"Patient": {"__typename": "Patient", "resourceType": "Patient", "name": [{"family": "Ceder"}]}}),
        ("{Patient(id: a) {name(use: usual) {given _given {extension {valueString}}}}}",
         {"Patient": {"name": [{"given": [None, "Ann"], "_given": [{"extension": [{"valueString": "Q"}]}, None]}]}}),
        ("{Patient(id: a) {name @flatten {given @singleton}}}", {"Patient": {"given": "Ann"}}),
        ("{Patient(id: a) {generalPractitioner {resource {... on Practitioner {name {family}}}}}}",
         {"Patient": {"generalPractitioner": [{"resource": {"name": [{"family": "Falk"}]}}]}}),
        ("{Patient(id: a) {contained {resourceType id}}}",
         {"Patient": {"contained": [{"resourceType": "Practitioner", "id": "p"}]}}),
        ("{a: Patient(id: a) {...Named} b: Patient(id: b) {...Named}} fragment Named on Patient {name @first {family}}",
         {"a": {"name": [{"family": "Berg"}]}, "b": {"name": [{"family": "Ceder"}]}}),
        ("{Patient(id: a) {ObservationList(_reference: subject, _sort: _id, _count: 1) {id subject {resource {id}}}}}",
         {"Patient": {"ObservationList": [{"id": "o1", "subject": {"resource": {"id": "a"}}}]}}),
        ("{Observation(id: o1) {subject {resource {name {family} code {text}}}}}",  # code is of other resources
         {"Observation": {"subject": {"resource": {"name": [{"family": "Berg"}, {"family": "Alm"}]}}}}),
    ],
)  # fmt: skip
async def test_queries(ward: Fhir, query: str, expected: Any) -> None:
    assert await data(ward, query) == expected


async def test_a_connection_is_paged_by_cursors_alone(ward: Fhir) -> None:
    page = "{count offset pagesize first previous next last edges {mode resource {id}}}"
    asked, places, seen = '(subject: "Patient/a", _count: 2, _sort: "-_id")', [], []
    while asked:
        found = (await data(ward, f"{{ObservationConnection{asked} {page}}}"))["ObservationConnection"]
        assert found["count"] == 5
        assert found["pagesize"] == 2
        places.append(found["offset"])
        seen += [edge["resource"]["id"] for edge in found["edges"] if edge["mode"] == "match"]
        asked = f'(_cursor: "{found["next"]}")' if "next" in found else ""
    assert places == [0, 2, 4]
    assert seen == ["o5", "o4", "o3", "o2", "o1"]
    first = (await data(ward, f'{{ObservationConnection(_cursor: "{found["first"]}") {page}}}'))[
        "ObservationConnection"
    ]
    assert [edge["resource"]["id"] for edge in first["edges"]] == ["o5", "o4"]


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("{PatientList {id", 400, "Syntax Error"),
        ("{PatientList {idd}}", 400, "Did you mean 'id'"),
        ("{PatientLst {id}}", 400, "Did you mean 'PatientList'"),
        ("{PatientList(nme: \"x\") {id}}", 400, "Did you mean 'name'"),
        ("{Patient {id}}", 400, "needs an id"),
        ("{Patient(id: nobody) {id}}", 404, "nobody"),
        ("{PatientList(birthdate: \"no date\") {id}}", 400, "date"),
        ("{Patient(id: a) {ObservationList {id}}}", 400, "_reference"),
        ("{Patient(id: a) {ObservationList(_reference: code) {id}}}", 400, "subject"),
        ('{PatientConnection(_cursor: "x") {count}}', 400, "cursor"),
        ("{Patient(id: a) {name(fhirpath: \"(\") {family}}}", 400, "FHIRPath"),
        ("{Patient(id: a) {name @flatten {family @singleton}}}", 400, "2 values"),
        ("mutation {PatientDelete(id: a) {id}}", 400, "mutation"),
        ("{...A} fragment A on Query {...B} fragment B on Query {...A}", 400, "fragment"),
        ("{" + "Patient(id: a) {link " * 200 + "{id}" + "}" * 201, 400, "deep"),
        ("{" + "a: PatientList {id} " * 5000 + "}", 400, "token"),
        ('query ($n: Int = "x") {Patient(id: a) {name(_count: $n) {family}}}', 400, "Int"),
        ("{Patient(id: a) {name(_offset: -1) {family}}}", 400, "whole numbers"),
        ("query ($a: String!) {PatientList(name: $a) {id}}", 400, "$a"),
        ("", 400, "needs a query"),
    ],
)  # fmt: skip
async def test_refusals_say_what_to_change(ward: Fhir, query: str, status: int, said: str) -> None:
    answer = await ask(ward, query)
    assert answer.status_code == status, answer.text
    assert answer.json()["data"] is None
    error = answer.json()["errors"][0]
    assert said in error["message"]
    assert error["extensions"]["resource"]["resourceType"] == "OperationOutcome"


async def test_a_list_is_whole_or_refused(ward: Fhir) -> None:
    transaction = [
        {"resource": {"resourceType": "Basic", "code": {"text": "x"}}, "request": {"method": "POST", "url": "Basic"}}
    ] * 1001
    await ward.post("", {"resourceType": "Bundle", "type": "transaction", "entry": transaction})
    answer = await ask(ward, "{BasicList {id}}")
    assert answer.status_code == 403
    assert "BasicConnection" in answer.json()["errors"][0]["message"]


async def test_fields_that_multiply_are_refused(ward: Fhir) -> None:
    inner = "id"
    for _ in range(12):
        inner = f"id a: subject {{resource {{id x: ObservationList(_reference: subject) {{{inner}}}}}}}"
    answer = await ask(ward, f"{{Observation(id: o1) {{{inner}}}}}")
    assert answer.status_code == 403
    assert "would" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize("at", ["", "Patient/a"])
async def test_clients_can_ask_for_the_schema(ward: Fhir, at: str) -> None:
    told = print_schema(build_client_schema(await data(ward, get_introspection_query(), at)))
    assert f"query: {'Patient' if at else 'Query'}" in told or not at
    assert "  birthDate: date\n" in told
    assert "  ObservationList(" in told


async def test_a_reference_to_a_version_gives_that_version(ward: Fhir) -> None:
    await ward.create({"resourceType": "Patient", "id": "b", "name": [{"family": "Dahl"}]})
    await ward.create({"resourceType": "Basic", "id": "x", "code": {"text": "x"},
                       "subject": {"reference": "Patient/b/_history/1"}})  # fmt: skip
    found = await data(ward, "{subject {resource {name {family}}}}", "Basic/x")
    assert found == {"subject": {"resource": {"name": [{"family": "Ceder"}]}}}


async def test_in_a_batch(ward: Fhir) -> None:
    entry = {"request": {"method": "GET", "url": f"$graphql?query={quote('{PatientList(name: Ceder) {id}}')}"}}
    answer = await ward.post("", {"resourceType": "Bundle", "type": "batch", "entry": [entry]})
    found = answer.json()["entry"][0]["resource"]
    assert found["contentType"] == "application/json"
    assert json.loads(base64.b64decode(found["data"])) == {"data": CEDER}


@pytest.mark.parametrize("value", ["x", -1, [1], {"a": 1}, True, 1.5])
async def test_variables_of_another_type_are_refused(ward: Fhir, value: Any) -> None:
    query = "query ($n: Int) {Patient(id: a) {name(_count: $n, _offset: $n, fhirpath: $n, use: $n) {family}}}"
    answer = await ask(ward, query, variables={"n": value})
    assert answer.status_code == 400, answer.text
