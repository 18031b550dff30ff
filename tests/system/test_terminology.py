"""The terminology operations over HTTP, and stored terminology that takes effect."""

import pytest

from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

GENDER = "http://hl7.org/fhir/administrative-gender"
COLOURS = {
    "resourceType": "CodeSystem",
    "id": "colours",
    "url": "http://hospital.test/colours",
    "status": "active",
    "content": "complete",
    "hierarchyMeaning": "is-a",
    "concept": [
        {"code": "warm", "display": "Warm", "concept": [{"code": "red", "display": "Red"}, {"code": "orange"}]},
        {"code": "blue", "display": "Blue"},
    ],
}
WARM = {
    "resourceType": "ValueSet",
    "id": "warm",
    "url": "http://hospital.test/warm",
    "status": "active",
    "compose": {
        "include": [
            {"system": COLOURS["url"], "filter": [{"property": "concept", "op": "descendent-of", "value": "warm"}]}
        ]
    },
}


def values(parameters: dict) -> dict:
    return {
        p["name"]: next((value for name, value in p.items() if name.startswith("value")), None)
        for p in parameters["parameter"]
    }


async def test_official_codes_are_known_without_loading_anything(fhir: Fhir) -> None:
    found = await fhir.get(f"CodeSystem/$lookup?system={GENDER}&code=female")
    assert values(found.json())["display"] == "Female"
    answer = await fhir.get(
        f"ValueSet/$validate-code?url=http://hl7.org/fhir/ValueSet/administrative-gender&system={GENDER}&code=m"
    )
    assert values(answer.json())["result"] is False


async def test_stored_terminology_takes_effect_at_once_and_goes_when_deleted(fhir: Fhir) -> None:
    await fhir.create(COLOURS)
    await fhir.create(WARM)
    expansion = (await fhir.get("ValueSet/$expand?url=http://hospital.test/warm")).json()["expansion"]
    assert sorted(c["code"] for c in expansion["contains"]) == ["orange", "red"]
    assert (await fhir.get("ValueSet/warm/$expand")).json()["expansion"]["total"] == 2
    outcome = await fhir.get("CodeSystem/$subsumes?system=http://hospital.test/colours&codeA=warm&codeB=red")
    assert values(outcome.json())["outcome"] == "subsumes"
    await fhir("DELETE", "ValueSet/warm")
    assert (await fhir.get("ValueSet/$expand?url=http://hospital.test/warm")).status_code == 404


async def knows(fhir: Fhir, code: str, url: str = COLOURS["url"], version: str = "1") -> bool:
    found = await fhir.get(f"CodeSystem/$validate-code?url={url}&version={version}&code={code}")
    return values(found.json())["result"]


async def test_a_url_and_version_that_two_have_is_known_while_one_of_them_is_there(fhir: Fhir) -> None:
    for id, codes in (("first", ["red"]), ("second", ["red", "blue"])):
        await fhir.create({**COLOURS, "id": id, "version": "1", "concept": [{"code": code} for code in codes]})
    assert await knows(fhir, "blue")
    await fhir("DELETE", "CodeSystem/second")
    assert await knows(fhir, "red") and not await knows(fhir, "blue")
    await fhir("DELETE", "CodeSystem/first")
    assert not await knows(fhir, "red")


async def test_what_got_another_url_or_version_is_not_known_by_the_former(fhir: Fhir) -> None:
    await fhir.create({**COLOURS, "version": "1"})
    await fhir.create({**COLOURS, "version": "2"})
    assert await knows(fhir, "red", version="2") and not await knows(fhir, "red")
    await fhir.create({**COLOURS, "version": "2", "url": "http://hospital.test/paints"})
    assert await knows(fhir, "red", "http://hospital.test/paints", "2") and not await knows(fhir, "red", version="2")


async def test_search_by_value_set_and_by_hierarchy(fhir: Fhir) -> None:
    await fhir.create(COLOURS)
    await fhir.create(WARM)
    for code in ("red", "blue", "warm"):
        coding = {"coding": [{"system": COLOURS["url"], "code": code}]}
        await fhir.create({"resourceType": "Observation", "id": code, "status": "final", "code": coding})
    for value_set in ("http://hospital.test/warm", "ValueSet/warm", "http://fhir.test/fhir/ValueSet/warm"):
        assert await fhir.ids(f"Observation?code:in={value_set}") == ["red"]
    assert (await fhir.get("Observation?code:in=ValueSet/none")).status_code == 400
    assert await fhir.ids("Observation?code:not-in=http://hospital.test/warm") == ["blue", "warm"]
    assert sorted(await fhir.ids("Observation?code:below=http://hospital.test/colours|warm")) == ["red", "warm"]
    assert sorted(await fhir.ids("Observation?code:above=http://hospital.test/colours|red")) == ["red", "warm"]
    assert (await fhir.get("Observation?code:in=http://hospital.test/unknown")).status_code in (400, 404)


async def test_a_call_by_post_with_the_value_set_inline(fhir: Fhir) -> None:
    await fhir.create(COLOURS)
    body = {"resourceType": "Parameters", "parameter": [{"name": "valueSet", "resource": WARM}]}
    assert (await fhir.post("ValueSet/$expand", body)).json()["expansion"]["total"] == 2


async def test_terminology_capabilities(fhir: Fhir) -> None:
    found = (await fhir.get("metadata?mode=terminology")).json()
    assert found["resourceType"] == "TerminologyCapabilities"


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("CodeSystem/$lookup?code=x", 400),
        (f"CodeSystem/$lookup?system={GENDER}&code=none", 404),
        ("ValueSet/$expand?url=http://nowhere.test", 404),
        ("ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender&count=x", 400),
        ("ValueSet/$expand?nonsense=1", 400),
    ],
)
async def test_wrong_calls(fhir: Fhir, call: str, status: int) -> None:
    answer = await fhir.get(call)
    assert answer.status_code == status, answer.text
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_the_one_resource_that_an_operation_takes_may_be_the_body(fhir: Fhir) -> None:
    await fhir.create(COLOURS)
    expanded = (await fhir.post("ValueSet/$expand", WARM)).json()["expansion"]
    assert [concept["code"] for concept in expanded["contains"]] == ["red", "orange"]
    assert (await fhir.post("CodeSystem/$lookup", WARM)).status_code == 400


async def test_a_version_of_a_code_system_that_is_not_here_names_those_that_are(fhir: Fhir) -> None:
    await fhir.create({**COLOURS, "version": "1"})
    await fhir.create(WARM)
    asked = f"url={WARM['url']}&system-version={COLOURS['url']}|9"
    refused = await fhir.get(f"ValueSet/$expand?{asked}")
    assert refused.status_code == 404 and "|9" in refused.text and "Versions known: 1." in refused.text
