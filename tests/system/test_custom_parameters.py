"""SearchParameter resources that take effect."""

import asyncio

import pytest

from tests.conftest import Fhir, issue_of

pytestmark = pytest.mark.anyio

EYES = {
    "resourceType": "SearchParameter",
    "id": "eye-colour",
    "url": "http://hospital.test/SearchParameter/eye-colour",
    "name": "EyeColour",
    "status": "active",
    "description": "Colour of the eyes",
    "code": "eye-colour",
    "base": ["Patient"],
    "type": "string",
    "expression": "Patient.extension('http://hospital.test/eyes').value.as(string)",
}


def patient(id: str, colour: str) -> dict:
    return {
        "resourceType": "Patient",
        "id": id,
        "extension": [{"url": "http://hospital.test/eyes", "valueString": colour}],
    }


async def indexed(fhir: Fhir) -> None:
    for _ in range(200):
        if (await fhir.get("Patient?eye-colour=x")).status_code == 200:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the parameter was never indexed")


async def test_a_custom_parameter_finds_what_was_stored_before_and_after(fhir: Fhir) -> None:
    await fhir.create(patient("before", "green"))
    assert (await fhir.get("Patient?eye-colour=green")).status_code == 400
    await fhir.create(EYES)
    await indexed(fhir)
    await fhir.create(patient("after", "green"))
    assert await fhir.ids("Patient?eye-colour=green") == ["before", "after"]
    assert any(
        parameter["name"] == "eye-colour"
        for resource in (await fhir.get("metadata")).json()["rest"][0]["resource"]
        if resource["type"] == "Patient"
        for parameter in resource["searchParam"]
    )


async def test_until_it_is_indexed_a_search_says_so(fhir: Fhir) -> None:
    await fhir.create(patient("before", "green"))
    await fhir.create(EYES)
    answer = await fhir.get("Patient?eye-colour=green")
    if answer.status_code != 200:
        assert answer.status_code == 503
        assert "retry-after" in answer.headers
        assert "index" in issue_of(answer)["diagnostics"]


async def test_a_retired_parameter_is_unknown_again(fhir: Fhir) -> None:
    await fhir.create(EYES)
    await fhir.create({**EYES, "status": "retired"})
    assert (await fhir.get("Patient?eye-colour=green")).status_code == 400


async def test_one_that_can_not_work_is_refused_when_it_is_stored(fhir: Fhir) -> None:
    answer = await fhir.put("SearchParameter/eye-colour", {**EYES, "expression": "Patient.name.where("})
    assert answer.status_code == 422
    assert issue_of(answer)["expression"] == ["SearchParameter.expression"]


async def test_indexing_goes_on_after_a_restart(fhir: Fhir) -> None:
    from fhir_server import bootstrap

    await fhir.create(patient("before", "green"))
    await fhir.create(EYES)
    other = await bootstrap.start(fhir.server.settings)
    await indexed(fhir)
    await other.close()
    assert await fhir.ids("Patient?eye-colour=green") == ["before"]
