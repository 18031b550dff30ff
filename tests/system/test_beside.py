"""The page, the documentation and health beside FHIR."""

import httpx
import pytest

from tests.conftest import Fhir

pytestmark = pytest.mark.anyio

ROOT = "http://fhir.test"


async def get(fhir: Fhir, path: str) -> httpx.Response:
    return await fhir.http.get(f"{ROOT}{path}")


async def test_a_browser_at_the_root_finds_the_page(fhir: Fhir) -> None:
    answer = await get(fhir, "/")
    assert answer.headers["content-type"].startswith("text/html")
    assert "script-src 'self'" in answer.headers["content-security-policy"]


async def test_a_browser_at_the_fhir_base_is_led_to_the_page(fhir: Fhir) -> None:
    answer = await fhir.get("Patient", accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (answer.status_code, answer.headers["location"]) == (303, "/#/Patient")


async def test_the_documentation_works_without_another_network(fhir: Fhir) -> None:
    page = await get(fhir, "/docs")
    assert page.status_code == 200
    assert "http" not in page.text.replace("http-equiv", "")
    assert (await get(fhir, "/docs/swagger-ui-bundle.js")).status_code == 200


async def test_openapi_names_every_operation_that_is_registered(fhir: Fhir) -> None:
    paths = (await get(fhir, "/openapi.json")).json()["paths"]
    for code in fhir.server.environment.operations:
        assert any(path.endswith(f"${code}") for path in paths)


async def test_health(fhir: Fhir) -> None:
    assert (await get(fhir, "/health/live")).json() == {"status": "pass"}
    assert (await get(fhir, "/health/ready")).json()["checks"]["store"]["change"] == 0
    await fhir.create({"resourceType": "Patient"})
    assert (await get(fhir, "/health/ready")).json()["checks"]["store"]["change"] == 1
    assert (await get(fhir, "/health")).json()["status"] == "pass"


async def test_other_paths_say_where_things_are(fhir: Fhir) -> None:
    answer = await get(fhir, "/nothing")
    assert answer.status_code == 404
    assert "/fhir" in answer.text


async def test_writing_beside_fhir_is_told_where_fhir_is(fhir: Fhir) -> None:
    answer = await fhir.http.post(f"{ROOT}/", json={"resourceType": "Bundle"})
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert "FHIR is at /fhir" in answer.json()["issue"][0]["diagnostics"]
