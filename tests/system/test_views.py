"""$viewdefinition-run over HTTP."""

import json

import pytest

from fhir_server.views import evaluate
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

VIEW = {
    "resourceType": "ViewDefinition",
    "resource": "Patient",
    "select": [
        {"column": [{"name": "id", "path": "id"}, {"name": "given", "path": "name.given", "collection": True}]},
        {"forEachOrNull": "telecom", "column": [{"name": "phone", "path": "value"}]},
    ],
}


async def people(fhir: Fhir) -> None:
    await fhir.create(
        {
            "resourceType": "Patient",
            "id": "a",
            "name": [{"given": ["Ann", "B"]}],
            "telecom": [{"system": "phone", "value": '1,"2"'}],
        }
    )
    await fhir.create({"resourceType": "Patient", "id": "b"})


async def test_a_view_that_comes_with_the_call_gives_json(fhir: Fhir):
    await people(fhir)
    answer = await fhir.post("$viewdefinition-run", VIEW)
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == [
        {"id": "a", "given": ["Ann", "B"], "phone": '1,"2"'},
        {"id": "b", "given": [], "phone": None},
    ]


async def test_ndjson_and_csv(fhir: Fhir):
    await people(fhir)
    answer = await fhir.post("Patient/$viewdefinition-run?_format=ndjson", VIEW)
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == ["a", "b"]
    answer = await fhir.post("$viewdefinition-run?header=true", VIEW, accept="text/csv")
    assert answer.text == 'id,given,phone\r\na,"[""Ann"",""B""]","1,""2"""\r\nb,[],\r\n'


async def test_a_stored_view_runs_at_its_own_url(fhir: Fhir):
    await people(fhir)
    extension = {
        "url": "https://sql-on-fhir.org/ig/StructureDefinition/ViewDefinition",
        "valueString": json.dumps(VIEW),
    }
    await fhir.create({"resourceType": "Basic", "id": "v", "code": {"text": "view"}, "extension": [extension]})
    for path in ("Basic/v/$viewdefinition-run", "$viewdefinition-run?viewReference=Basic/v"):
        assert [row["id"] for row in (await fhir.get(path)).json()] == ["a", "b"]


async def test_one_patient_resources_that_come_with_the_call_and_a_limit(fhir: Fhir):
    await people(fhir)
    assert len((await fhir.get("Patient/b/$viewdefinition-run?viewReference=patients")).json()) == 1
    assert len((await fhir.get("$viewdefinition-run?viewReference=patients&_limit=1")).json()) == 1
    base = (await fhir.get("Patient?_id=b")).json()["entry"][0]["fullUrl"].removesuffix("/Patient/b")
    for patient in ("b", "Patient/b", f"{base}/Patient/b"):
        answer = await fhir.get(f"$viewdefinition-run?viewReference=patients&patient={patient}")
        assert [row["patient"] for row in answer.json()] == ["Patient/b"]
    given = [
        {"name": "viewResource", "resource": VIEW},
        {"name": "resource", "resource": {"resourceType": "Patient", "id": "x"}},
    ]
    answer = await fhir.post("$viewdefinition-run", {"resourceType": "Parameters", "parameter": given})
    assert [row["id"] for row in answer.json()] == ["x"]


@pytest.mark.parametrize(
    ("path", "place", "said"),
    [
        ("nam", "ViewDefinition.select[0].column[0].path", "did you mean `name`"),
        ("name", "ViewDefinition.select[0].column[0].path", "a column holds a primitive"),
        ("%who", "ViewDefinition.select[0].column[0].path", "no constant %who"),
        ("name.given.frist()", "ViewDefinition.select[0].column[0].path", "did you mean first()"),
        ("", "ViewDefinition.select[0].column[0].path", "needs a path"),
    ],
)
async def test_a_view_that_does_not_compile_says_where_and_why(fhir: Fhir, path: str, place: str, said: str):
    view = {"resource": "Patient", "select": [{"column": [{"name": "a", "path": path}]}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "viewResource", "resource": view}]}
    answer = await fhir.post("$viewdefinition-run", body)
    assert answer.status_code == 422
    issue = answer.json()["issue"][0]
    assert issue["expression"] == [place]
    assert said in issue["diagnostics"]


@pytest.mark.parametrize(
    ("query", "status"),
    [("", 400), ("?viewReference=patient", 404), ("?viewReference=patients&_format=xls", 406),
     ("?viewReference=Basic/no", 404),
     ("?viewReference=patients&_limit=x", 400), ("?viewReference=patients&_since=soon", 400),
     ("?viewReference=patients&patient=http://elsewhere.test/Patient/a", 400),
     ("?viewReference=patients&patient=Group/a", 400)],
)  # fmt: skip
async def test_calls_that_can_not_be_answered(fhir: Fhir, query: str, status: int):
    answer = await fhir.get(f"$viewdefinition-run{query}")
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_a_repeat_that_finds_too_much_is_told_and_not_cut_short(fhir: Fhir, monkeypatch: pytest.MonkeyPatch):
    questions = [{"linkId": str(n), "item": [{"linkId": f"{n}.{m}"} for m in range(3)]} for n in range(3)]
    answers = {"resourceType": "QuestionnaireResponse", "id": "q", "status": "completed", "item": questions}
    await fhir.create(answers)
    view = {"resourceType": "ViewDefinition", "name": "items", "status": "active", "resource": "QuestionnaireResponse",
            "select": [{"repeat": ["item"], "column": [{"name": "link", "path": "linkId"}]}]}  # fmt: skip
    monkeypatch.setattr(evaluate, "MOST_ROWS", 12)
    assert len((await fhir.post("$viewdefinition-run", view)).json()) == 12
    monkeypatch.setattr(evaluate, "MOST_ROWS", 11)
    answer = await fhir.post("$viewdefinition-run", view)
    assert answer.status_code == 403 and "QuestionnaireResponse/q gives more than 11 rows" in answer.text


async def test_several_values_in_one_column_name_the_resource(fhir: Fhir):
    await people(fhir)
    view = {"resource": "Patient", "select": [{"column": [{"name": "g", "path": "name.given"}]}]}
    body = {"resourceType": "Parameters", "parameter": [{"name": "viewResource", "resource": view}]}
    answer = await fhir.post("$viewdefinition-run", body)
    assert answer.status_code == 422
    assert "2 values for Patient/a" in answer.text
