"""The TestScripts among R4's examples, and one that must fail, against the server."""

from typing import Any

import pytest

from fhir_server.codec import json
from tests.conftest import BASE, Fhir
from tests.official_examples import official_examples
from tests.system.testscripts.running import run

pytestmark = pytest.mark.anyio

FIXTURES = {"package/Patient-example.json", "package/Patient-pat1.json"}
ENTERED = {"PatientSearchFamilyName": "Chalmers", "PatientSearchGivenName": "Peter"}
KNOWN = {  # asserts of the official scripts that do not hold, and why
    "Confirm that the returned HTTP status is 400(Bad Request).": "ids may contain capitals since DSTU2: 404 is right",
}


@pytest.fixture(scope="module")
def examples() -> dict[str, dict[str, Any]]:
    """The official scripts and the resources that they use."""
    found = {}
    for name, body in official_examples():
        if name.startswith("package/TestScript-") or name in FIXTURES:
            resource = json.parse(body)
            found[f"{resource['resourceType']}/{resource['id']}"] = resource
    return found


async def test_the_official_scripts(fhir: Fhir, examples: dict[str, dict[str, Any]]) -> None:
    scripts = [each for each in examples.values() if each["resourceType"] == "TestScript"]
    assert len(scripts) == 6
    found = []
    for script in scripts:
        for id in ("example", "pat1"):
            await fhir.put(f"Patient/{id}", examples[f"Patient/{id}"])
        found += await run(script, fhir.http, [BASE, BASE], examples, ENTERED)
    assert [each for each in found if each.text not in KNOWN] == []
    assert {each.text for each in found} == set(KNOWN)


async def test_an_assert_that_does_not_hold_is_told_and_ends_its_test(
    fhir: Fhir, examples: dict[str, dict[str, Any]]
) -> None:
    await fhir.put("Patient/example", examples["Patient/example"])
    read = {"operation": {"type": {"code": "read"}, "resource": "Patient", "params": "/example"}}

    async def told(*rules: dict[str, Any]) -> list[str]:
        actions = [read, *({"assert": rule} for rule in rules)]
        script = {"resourceType": "TestScript", "test": [{"name": "t", "action": actions}]}
        return [each.why for each in await run(script, fhir.http, [BASE], examples, {})]

    assert await told({"response": "okay"}, {"contentType": "json"}, {"expression": "Patient.active"}) == []
    assert await told({"response": "notFound"}, {"contentType": "xml"}) == ["'200' equals '404' does not hold"]
    name = {"path": "fhir:Patient/fhir:name[1]/fhir:family/@value", "value": "Chalmers"}
    assert await told(name, name | {"operator": "notEquals"}) == ["'Chalmers' notEquals 'Chalmers' does not hold"]
    warned = {"headerField": "X-None", "operator": "notEmpty", "warningOnly": True}
    assert await told(warned, {"resource": "Observation"}) == [
        "'' notEmpty '' does not hold", "'Patient' equals 'Observation' does not hold",
    ]  # fmt: skip
