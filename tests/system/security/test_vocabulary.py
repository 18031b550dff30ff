"""A stored ValueSet tells its codes only to those who may read it: by name, within another, in criteria."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.conftest import Fhir
from tests.system.security.test_scopes import Asking

pytestmark = pytest.mark.anyio

SECRET, OUTER, FREE = "http://x.test/vs/secret", "http://x.test/vs/outer", "http://x.test/vs/free"
LOINC = "http://loinc.org"


def value_set(id: str, url: str, include: list[dict[str, Any]]) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "id": id, "url": url, "status": "active", "compose": {"include": include}}


@pytest.fixture
async def wards(hospital: Fhir) -> AsyncIterator[Fhir]:
    author = Asking(hospital, "user/*.cruds")
    codes = [{"system": LOINC, "concept": [{"code": "8867-4"}]}]
    for each in (value_set("secret", SECRET, codes), value_set("free", FREE, codes),
                 value_set("outer", OUTER, [{"valueSet": [SECRET]}])):  # fmt: skip
        assert (await author(f"ValueSet/{each['id']}", "PUT", each)).status_code == 201
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
