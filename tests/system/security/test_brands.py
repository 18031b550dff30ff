"""The User-access Brand Bundle of a file, as apps find it."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhir_server import bootstrap
from fhir_server.core.errors import FhirError
from fhir_server.core.settings import Settings
from fhir_server.security.brands import ABSENT, load

pytestmark = pytest.mark.anyio

WEB = "urn:ietf:rfc:3986"


def bundle() -> dict[str, Any]:
    def brand(id: str, **more: Any) -> dict[str, Any]:
        value = f"https://{id}.example.org"
        return {"fullUrl": f"{value}/Organization/{id}", "resource": {
            "resourceType": "Organization", "id": id, "active": True, "name": id, "identifier": [
                {"system": WEB, "value": value}], "meta": {"lastUpdated": "2026-01-01T00:00:00Z"}, **more}}  # fmt: skip

    resource = {"resourceType": "Endpoint", "id": "e", "status": "active", "address": "https://h.example.org/fhir"}
    endpoint = {"fullUrl": "https://h.example.org/Endpoint/e", "resource": resource}
    main = brand("h", endpoint=[{"reference": "Endpoint/e"}])
    clinic = brand("clinic", partOf={"reference": "Organization/h"})
    return {"resourceType": "Bundle", "type": "collection", "timestamp": "2026-01-01T00:00:00Z",
            "entry": [main, clinic, endpoint]}  # fmt: skip


def kept(tmp_path: Path, content: Any) -> str:
    file = tmp_path / "brands.json"
    file.write_text(json.dumps(content))
    return str(file)


async def test_apps_find_the_brands_by_the_configuration_from_any_origin(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path / "data", security="smart", brands=kept(tmp_path, bundle()),
                        brand=f"{WEB}|https://h.example.org")  # fmt: skip
    application = bootstrap.application(settings)
    transport = httpx.ASGITransport(application)  # type: ignore[arg-type]
    async with application.running(), httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as http:
        found = (await http.get("/fhir/.well-known/smart-configuration")).json()
        assert found["user_access_brand_identifier"] == {"system": WEB, "value": "https://h.example.org"}
        answer = await http.get(found["user_access_brand_bundle"], headers={"origin": "https://app.test"})
        assert answer.json() == bundle() and answer.headers["access-control-allow-origin"] == "*"
        tag = answer.headers["etag"]
        assert tag.startswith('W/"')
        again = await http.get(found["user_access_brand_bundle"], headers={"if-none-match": tag})
        assert again.status_code == 304 and not again.content


def without_timestamp(content: dict) -> None:
    del content["timestamp"]


def without_brand_of_the_endpoint(content: dict) -> None:
    del content["entry"][0]["resource"]["endpoint"]


def with_a_patient(content: dict) -> None:
    content["entry"].append({"resource": {"resourceType": "Patient"}})


def with_another_reason(content: dict) -> None:
    content["entry"][0]["resource"]["extension"] = [{"url": ABSENT, "valueCode": "unknown"}]


def with_the_identifier_twice(content: dict) -> None:
    content["entry"][1]["resource"]["identifier"] = content["entry"][0]["resource"]["identifier"]


@pytest.mark.parametrize("change", [without_timestamp, without_brand_of_the_endpoint, with_a_patient,
                                    with_another_reason, with_the_identifier_twice])  # fmt: skip
def test_a_bundle_that_breaks_the_guide_is_refused(tmp_path: Path, change: Any) -> None:
    own = f"{WEB}|https://h.example.org"
    content = bundle()
    content["entry"][1]["resource"]["extension"] = [{"url": ABSENT, "valueCode": "asked-declined"}]
    assert load(kept(tmp_path, content), own).primary["value"] == "https://h.example.org"
    change(content)
    with pytest.raises(FhirError, match="can't be used"):
        load(kept(tmp_path, content), own)


@pytest.mark.parametrize("brand", ["", f"{WEB}|", f"{WEB}|https://other.example.org"])
def test_the_own_brand_is_one_of_several_and_named(tmp_path: Path, brand: str) -> None:
    with pytest.raises(FhirError, match="can't be used"):
        load(kept(tmp_path, bundle()), brand)
