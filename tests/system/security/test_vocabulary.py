"""Stored terminology tells its codes only to those who may read it: by name, within another, in criteria."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Fhir
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

SECRET, OUTER, FREE = "http://x.test/vs/secret", "http://x.test/vs/outer", "http://x.test/vs/free"
LOINC = "http://loinc.org"
CODES, MAP = "http://x.test/cs/secret", "http://x.test/cm/secret"
CODE_SYSTEM = {
    "resourceType": "CodeSystem", "id": "secret", "url": CODES, "status": "active", "content": "complete",
    "hierarchyMeaning": "is-a",
    "concept": [{"code": "drug", "display": "Hidden drug", "concept": [{"code": "opium", "display": "Hidden opium"}]}],
}  # fmt: skip
CONCEPT_MAP = {
    "resourceType": "ConceptMap", "id": "secret", "url": MAP, "status": "active",
    "sourceUri": "http://x.test/vs/any", "targetUri": "http://x.test/vs/other",
    "group": [{"source": LOINC, "target": "http://x.test/other", "element": [
        {"code": "8867-4", "target": [{"code": "hidden-target", "equivalence": "equivalent"}]}]}],
}  # fmt: skip


def value_set(id: str, url: str, include: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "id": id, "url": url, "status": "active", "compose": {"include": include}}


@pytest.fixture
async def wards(hospital: Fhir) -> AsyncIterator[Fhir]:
    author = Asking(hospital, "user/*.cruds")
    codes = [{"system": LOINC, "concept": [{"code": "8867-4"}]}]
    for each in (value_set("secret", SECRET, codes), value_set("free", FREE, codes),
                 value_set("outer", OUTER, [{"valueSet": [SECRET]}])):  # fmt: skip
        assert (await author(f"ValueSet/{each['id']}", "PUT", each)).status_code == 201
    for each in (CODE_SYSTEM, CONCEPT_MAP):
        assert (await author(f"{each['resourceType']}/secret", "PUT", each)).status_code == 201
    yield hospital


async def test_it_is_expanded_for_those_who_may_read_it_only(wards: Fhir) -> None:
    may = Asking(wards, "user/ValueSet.rs user/Observation.rs")
    narrow = Asking(wards, f"user/ValueSet.rs?url={FREE} user/Observation.rs")
    for url in (SECRET, OUTER, FREE):
        assert (await may(f"ValueSet/$expand?url={url}")).json()["expansion"]["contains"][0]["code"] == "8867-4"
    assert (await narrow(f"ValueSet/$expand?url={FREE}")).status_code == 200
    for path in (f"ValueSet/$expand?url={SECRET}", f"ValueSet/$expand?url={OUTER}", "ValueSet/secret/$expand",
                 f"ValueSet/$validate-code?url={SECRET}&system={LOINC}&code=8867-4"):  # fmt: skip
        answer = await narrow(path)
        assert answer.status_code in (403, 404) and "8867-4" not in answer.text.replace("code=8867-4", ""), path


async def test_it_is_no_criterion_for_those_who_may_not_read_it(wards: Fhir) -> None:
    may = Asking(wards, "user/ValueSet.rs user/Observation.rs")
    assert (await may(f"Observation?code:in={SECRET}")).json()["entry"]
    for scope in ("user/Observation.rs", f"user/ValueSet.rs?url={FREE} user/Observation.rs"):
        for criteria in (f"code:in={SECRET}", f"code:not-in={SECRET}", f"code:in={OUTER}"):
            answer = await Asking(wards, scope)(f"Observation?{criteria}")
            unknown = await Asking(wards, scope)(f"Observation?{criteria}-unknown")
            assert answer.status_code == unknown.status_code >= 400, criteria
    narrow = Asking(wards, f"user/ValueSet.rs?url={FREE} user/Observation.rs")
    assert (await narrow(f"Observation?code:in={FREE}")).json()["entry"]


OPERATIONS = (
    f"CodeSystem/$lookup?system={CODES}&code=opium",
    f"CodeSystem/$validate-code?url={CODES}&code=opium",
    f"CodeSystem/$subsumes?system={CODES}&codeA=drug&codeB=opium",
    f"ConceptMap/$translate?url={MAP}&system={LOINC}&code=8867-4",
    f"ConceptMap/$translate?source=http://x.test/vs/any&system={LOINC}&code=8867-4",
)
TOLD = ("Hidden", "subsumes", "hidden-target", '"valueBoolean":true')


@pytest.mark.parametrize("path", OPERATIONS)
async def test_code_systems_and_concept_maps_are_known_to_those_who_may_read_them_only(wards: Fhir, path: str) -> None:
    told = await Asking(wards, "user/CodeSystem.rs user/ConceptMap.rs user/ValueSet.rs")(path)
    assert told.status_code == 200 and any(each in told.text for each in TOLD), told.text
    type = path.partition("/")[0]
    for scope in (f"user/{type}.rs?url=http://x.test/none", "user/Observation.rs"):
        answer = await Asking(wards, scope)(path)
        assert not any(each in answer.text for each in TOLD), (scope, answer.text)


async def test_a_code_system_is_no_criterion_for_those_who_may_not_read_it(wards: Fhir) -> None:
    may = Asking(wards, "user/*.cruds")
    assert (await may("Observation?code:below=http://x.test/cs/secret|drug")).status_code == 200
    narrow = Asking(wards, "user/Observation.rs")
    hidden = await narrow(f"Observation?code:below={CODES}|drug")
    unknown = await narrow(f"Observation?code:below={CODES}-unknown|drug")
    assert hidden.status_code == unknown.status_code
    assert hidden.text.replace(CODES, "") == unknown.text.replace(f"{CODES}-unknown", "")


async def test_what_ships_is_known_to_all(wards: Fhir) -> None:
    system = "http://hl7.org/fhir/administrative-gender"
    answer = await Asking(wards, "user/CodeSystem.rs?url=http://x.test/none")(
        f"CodeSystem/$lookup?system={system}&code=male"
    )
    assert answer.status_code == 200 and "Male" in answer.text
