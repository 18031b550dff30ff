import pytest

from fhir_server.loading.package_parameters import put_in_force, take_out_of_force
from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

PARAMETER = {
    "resourceType": "SearchParameter", "url": "http://example.org/shoe", "name": "Shoe", "status": "active",
    "description": "Shoe size", "code": "shoe", "base": ["Patient"], "type": "string", "expression": "Patient.id",
}  # fmt: skip


async def test_a_parameter_without_an_id_is_refused_and_the_others_come_and_go(fhir: Fhir) -> None:
    parameters = [PARAMETER, {**PARAMETER, "id": 7}, {**PARAMETER, "id": "shoe"}]
    found = [refused async for _, refused in put_in_force(fhir.server, parameters)]
    assert ["no id" in refused for refused in found] == [True, True, False]
    assert found[2] == ""
    assert (await fhir.get("SearchParameter/shoe")).status_code == 200
    await take_out_of_force(fhir.server, parameters)
    assert (await fhir.get("SearchParameter/shoe")).status_code == 410
