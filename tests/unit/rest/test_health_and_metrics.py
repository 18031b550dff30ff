import re
import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.anyio
HOST = "http://fhir.test"


async def test_a_server_is_alive_and_ready(fhir):
    assert (await fhir.http.get(f"{HOST}/health/live")).json()["status"] == "pass"
    answer = await fhir.http.get(f"{HOST}/health/ready")
    assert answer.status_code == 200 and answer.json()["checks"]["store"] == {"status": "pass", "change": 0}


async def test_a_server_without_its_store_is_alive_but_not_ready(fhir):
    fhir.server.environment.store.reader.close()
    assert (await fhir.http.get(f"{HOST}/health/live")).status_code == 200
    answer = await fhir.http.get(f"{HOST}/health/ready")
    assert answer.status_code == 503 and answer.json()["checks"]["store"]["status"] == "fail"


async def test_a_nearly_full_disk_is_a_warning(fhir, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    answer = await fhir.http.get(f"{HOST}/health/ready")
    assert answer.status_code == 200 and answer.json()["status"] == "warn"


async def test_metrics_can_be_parsed_and_tell_what_is_stored(fhir):
    await fhir.create({"resourceType": "Patient"})
    text = (await fhir.http.get(f"{HOST}/metrics")).text
    values = {
        (sample.name, sample.labels.get("type", "")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["hms_resources", "Patient"] == 1
    assert values["hms_change_position", ""] == 1
    assert values["hms_requests_total", "Patient"] >= 1


async def test_metrics_name_no_resource(fhir):
    await fhir.create({"resourceType": "Patient", "id": "secret-id", "name": [{"family": "Secretname"}]})
    await fhir.get("Patient?name=Secretname")
    await fhir.get("Secretname")
    assert not re.search("(?i)secret", (await fhir.http.get(f"{HOST}/metrics")).text)
