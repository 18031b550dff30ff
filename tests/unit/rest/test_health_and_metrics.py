import asyncio
import re
import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fhir_server.core.errors import error
from fhir_server.rest import health, metrics

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


async def test_a_store_that_hangs_is_told_in_time_and_keeps_nothing_else_from_being_told(fhir, monkeypatch):
    feed = fhir.server.environment.feed
    for module in (health, metrics):
        monkeypatch.setattr(module, "PATIENCE", 0.01)
    monkeypatch.setattr(feed, "newest", asyncio.Event().wait)
    store = (await fhir.http.get(f"{HOST}/health/ready")).json()["checks"]["store"]
    assert store == {"status": "fail", "problem": "It does not answer in time; it is overloaded, or hangs."}
    assert "hms_disk_free_bytes" in (await fhir.http.get(f"{HOST}/metrics")).text


async def test_a_store_that_can_not_be_read_says_why(fhir, monkeypatch):
    async def full():
        raise error("unavailable", "The store refuses this server's credentials; see the server's log.")

    monkeypatch.setattr(fhir.server.environment.feed, "newest", full)
    store = (await fhir.http.get(f"{HOST}/health/ready")).json()["checks"]["store"]
    assert store["problem"] == "The store refuses this server's credentials; see the server's log."


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
