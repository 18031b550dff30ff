"""SearchParameter resources that take effect."""

import asyncio

import pytest

from fhir_server.interactions.followers.custom_parameters import NAMED
from tests.conftest import BASE, Fhir, issue_of

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


async def test_one_of_r4s_own_is_not_made_to_search_in_another_way(fhir: Fhir) -> None:
    other = {**EYES, "code": "name", "type": "token", "expression": "Patient.name.use"}
    answer = await fhir.put("SearchParameter/eye-colour", other)
    assert (answer.status_code, issue_of(answer)["expression"]) == (422, ["SearchParameter.code"])
    narrower = {**EYES, "code": "name", "expression": "Patient.name.family"}
    assert (await fhir.put("SearchParameter/eye-colour", narrower)).status_code == 201


async def test_indexing_goes_on_after_a_restart(fhir: Fhir) -> None:
    from fhir_server import bootstrap

    await fhir.create(patient("before", "green"))
    await fhir.create(EYES)
    other = await bootstrap.start(fhir.server.settings)
    await indexed(fhir)
    await other.close()
    assert await fhir.ids("Patient?eye-colour=green") == ["before"]


async def test_another_of_the_same_url_and_version_is_indexed_anew(fhir: Fhir) -> None:
    await fhir.create({**patient("before", "green"), "language": "de"})
    await fhir.create(EYES)
    await indexed(fhir)
    assert (await fhir("DELETE", "SearchParameter/eye-colour")).status_code in (200, 204)
    await fhir.create({**EYES, "id": "another", "expression": "Patient.language"})
    await indexed(fhir)
    assert await fhir.ids("Patient?eye-colour=de") == ["before"]
    assert await fhir.ids("Patient?eye-colour=green") == []


async def test_of_versions_that_are_in_force_no_more_nothing_is_kept(fhir: Fhir) -> None:
    async def kept() -> set[str]:
        return {name for name in await fhir.server.environment.feed.consumers_named(NAMED) if EYES["url"] in name}

    for code in ("b", "c", "d", "eye-colour"):
        await fhir.create({**EYES, "code": code})
    await indexed(fhir)
    assert len(await kept()) == 1
    before = await kept()
    await fhir.create(EYES)
    await indexed(fhir)
    assert len(await kept()) == 1 and await kept() != before
    await fhir.create({**EYES, "status": "retired"})
    assert (await fhir.get("Patient?eye-colour=green")).status_code == 400
    assert await kept() == set()


async def test_what_an_older_program_has_indexed_is_not_indexed_again(fhir: Fhir) -> None:
    from fhir_server import bootstrap

    await fhir.create(EYES)
    await indexed(fhir)
    feed = fhir.server.environment.feed
    new = [name for name in await feed.consumers_named(NAMED) if EYES["url"] in name]
    head = await feed.head()
    await feed.forget(new)
    await feed.advance(f"{NAMED}{EYES['url']}|1", head)
    other = await bootstrap.start(fhir.server.settings)
    assert other.indexing() == []
    assert [name for name in await feed.consumers_named(NAMED) if EYES["url"] in name] == new
    await other.close()


async def test_what_another_worker_writes_before_it_has_heard_of_a_parameter_is_found_by_it(fhir: Fhir) -> None:
    from fhir_server import bootstrap
    from fhir_server.api import Request

    other = await bootstrap.start(fhir.server.settings, fhir.server.environment.clock)
    await fhir.create(EYES)
    await other.perform(Request("PUT", ("Patient", "after"), resource=patient("after", "green"), base=BASE))
    await indexed(fhir)
    assert await fhir.ids("Patient?eye-colour=green") == ["after"]
    await fhir.create({**EYES, "status": "retired"})
    await other.perform(Request("PUT", ("Patient", "after"), resource=patient("after", "blue"), base=BASE))
    await other.close()
    assert await fhir.server.check() == []


async def test_a_parameter_and_what_it_finds_in_one_transaction(fhir: Fhir) -> None:
    entries = [
        {"resource": resource, "request": {"method": "PUT", "url": f"{resource['resourceType']}/{resource['id']}"}}
        for resource in (patient("before", "green"), EYES, patient("after", "green"))
    ]
    answer = await fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 200, answer.text
    await indexed(fhir)
    assert await fhir.ids("Patient?eye-colour=green") == ["before", "after"]
    assert await fhir.server.check() == []


async def test_a_parameter_that_is_rolled_back_is_not_in_force(fhir: Fhir) -> None:
    entries = [
        {"resource": EYES, "request": {"method": "PUT", "url": "SearchParameter/eye-colour"}},
        {"resource": patient("a", "green"), "request": {"method": "PUT", "url": "Patient/a"}},
        {"resource": patient("b", "green"), "request": {"method": "PUT", "url": "Patient/b", "ifMatch": 'W/"7"'}},
    ]
    answer = await fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert answer.status_code == 412
    await fhir.create(patient("a", "green"))
    assert (await fhir.get("Patient?eye-colour=green")).status_code == 400
    assert await fhir.server.check() == []


@pytest.mark.parametrize("status", ["retired", "draft"])
async def test_a_store_is_whole_when_a_parameter_was_in_force_for_a_while(fhir: Fhir, status: str) -> None:
    await fhir.create(patient("before", "green"))
    await fhir.create(EYES)
    await indexed(fhir)
    await fhir.create({**EYES, "status": status})
    assert await fhir.server.check() == []
    await fhir.create({**EYES, "expression": "Patient.extension('http://hospital.test/other').value.as(string)"})
    await indexed(fhir)
    assert await fhir.ids("Patient?eye-colour=green") == []
    await fhir("DELETE", "SearchParameter/eye-colour")
    assert await fhir.server.check() == []
