"""What is written within one patient's context is in no other patient's record, by whatever element."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from fhir_server.core.settings import Settings
from fhir_server.definitions import load
from tests.conftest import Fhir
from tests.system.security.conftest import BASE, RESOURCES, observation
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

DEFINITIONS = load()
COMPARTMENT = DEFINITIONS.compartments["Patient"].members
TYPES = sorted({*COMPARTMENT, "Task"} - {"AuditEvent", "Patient"})  # nobody writes the log; a Patient is its own record
ME, OTHER = {"reference": "Patient/me"}, {"reference": "Patient/other"}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return msgspec.structs.replace(settings, validation="none")  # a resource here has nothing but references


def paths(type: str) -> list[list[str]]:
    """The elements by which a resource of a type is in a patient's record."""
    parameters = DEFINITIONS.search_parameters(type)
    codes = COMPARTMENT.get(type) or [code for code, found in parameters.items() if "Patient" in found.targets]
    texts = {text for code in codes for text in parameters[code].branches.get(type, ())}
    return [re.sub(r"\.where\(.*| as .*|[()]", "", text).split(".")[1:] for text in sorted(texts)]


def having(type: str, *named: tuple[list[str], dict[str, str]]) -> dict[str, Any]:
    """A resource with these references."""
    resource: dict[str, Any] = {"resourceType": type}
    for path, reference in named:
        place, at = resource, type
        for name in path:
            element = next(each for each in DEFINITIONS.types[at].elements if each.name == name)
            key, last = f"{name}Reference" if element.choice else name, name == path[-1]
            if element.max == 1:
                place[key] = reference if last else place.get(key, {})
                place = place[key]
            else:
                place[key] = [*place.get(key, ()), reference if last else {}]
                place = place[key][-1]
            at = f"{at}.{name}"
    return resource


@pytest.mark.parametrize("type", TYPES)
async def test_no_element_brings_a_resource_into_another_patients_record(hospital: Fhir, type: str) -> None:
    app, staff = Asking(hospital, "patient/*.cruds", patient="me"), Asking(hospital, "user/*.cruds")
    for number, path in enumerate(paths(type)):
        own, id = having(type, (path, ME)), f"own-{number}"
        assert (await app(f"{type}/{id}", "PUT", {**own, "id": id})).status_code == 201, path
        for further in paths(type):
            both = having(type, (path, ME), (further, OTHER))
            if "Patient/me" not in str(both):
                continue  # there is room for one only, which is the other then
            for answer in (await app(type, "POST", both), await app(f"{type}/{id}", "PUT", {**both, "id": id}),
                           await app(f"{type}/new", "PUT", {**both, "id": "new"})):  # fmt: skip
                assert answer.status_code == 403 and "record" in answer.text, (path, further, answer.text)
            assert (await staff(f"{type}/shared", "PUT", {**both, "id": "shared"})).status_code in (200, 201)
            assert (await app(f"{type}/shared")).status_code == 200
            assert (await app(f"{type}/shared", "PUT", {**own, "id": "shared"})).status_code == 403
            assert (await app(f"{type}/shared", "DELETE")).status_code == 403
        assert (await app(f"{type}/{id}", "DELETE")).status_code in (200, 204)
    there = {each["id"] for each in RESOURCES if each["resourceType"] == type}
    found = {id for id in await staff.ids(f"{type}?_count=100") if not id.startswith("alert-")}  # of so many refusals
    assert found <= {"shared", *there}


async def test_whose_scopes_have_more_than_one_patient_writes_in_both_records(hospital: Fhir) -> None:
    both = {**observation("both", "me"), "performer": [OTHER]}
    ask = Asking(hospital, "patient/*.cruds user/Observation.cruds?category=vital-signs", patient="me")
    assert (await ask("Observation/both", "PUT", both)).status_code == 201
    assert (await ask("Observation/both", "PUT", {**both, "status": "amended"})).status_code == 200
    laboratory = {**observation("other-kind", "me", "laboratory"), "performer": [OTHER]}
    assert (await ask("Observation/other-kind", "PUT", laboratory)).status_code == 403
    assert (await ask("Observation/both", "DELETE")).status_code in (200, 204)


async def test_a_transaction_and_a_patch_bring_nothing_into_another_patients_record(hospital: Fhir) -> None:
    app = Asking(hospital, "patient/*.cruds", patient="me")
    entry = {
        "resource": {**observation("x", "me"), "performer": [OTHER]},
        "request": {"method": "POST", "url": "Observation"},
    }
    answer = await app("", "POST", {"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    assert answer.status_code == 403, answer.text
    patched = await hospital.http.patch(
        f"{BASE}/Observation/mine",
        headers={**app.headers, "content-type": "application/json-patch+json"},
        json=[{"op": "add", "path": "/performer", "value": [OTHER]}],
    )
    assert patched.status_code == 403, patched.text
    assert await Asking(hospital, "user/*.cruds").ids("Observation?performer=Patient/other") == []


async def test_a_patient_who_signs_in_stays_within_the_own_record_too(hospital: Fhir) -> None:
    ada = Asking(hospital, "user/*.cruds", fhir_user="Patient/me")
    refused = await ada("Observation", "POST", {**observation("x", "me"), "performer": [OTHER]})
    assert refused.status_code == 403, refused.text
    about = await ada("Observation", "POST", {**observation("x", "other"), "performer": [ME]})
    assert about.status_code == 403, about.text
    assert (await ada("Observation", "POST", {**observation("x", "me"), "performer": [ME]})).status_code == 201
