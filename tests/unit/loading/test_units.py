import gzip
import io
import json

import pytest

from fhir_server import definitions
from fhir_server.loading import units as module
from fhir_server.loading.sources import Document, Refusal
from fhir_server.loading.units import Unit, units

R4 = definitions.load()
UUID = "5a2e9b51-7b4b-4f0e-9d52-6c6a4d1f3a10"


def made(content, kind="json"):
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return list(units(Document("f", kind, io.BytesIO(data)), R4))


def requests(content, kind="json"):
    """(Bundle type, [(method, url)]) of the one unit."""
    (unit,) = made(content, kind)
    assert isinstance(unit, Unit), unit
    entries = unit.bundle["entry"]
    return unit.bundle["type"], [(entry["request"]["method"], entry["request"]["url"]) for entry in entries]


def bundle(type, *entries):
    return {"resourceType": "Bundle", "type": type, "entry": list(entries)}


def test_a_resource_goes_under_its_id():
    assert requests({"resourceType": "Patient", "id": "1"}) == ("batch", [("PUT", "Patient/1")])


def test_xml_is_read():
    assert requests(b'<Patient xmlns="http://hl7.org/fhir"><id value="1"/></Patient>', "xml")[1] == [
        ("PUT", "Patient/1")
    ]


def test_a_resource_without_id_gets_the_same_id_each_time():
    first, second = (requests({"resourceType": "Patient", "active": True}) for _ in range(2))
    assert first == second
    assert first != requests({"resourceType": "Patient", "active": False})


def test_the_same_content_twice_in_a_bundle_makes_two_resources_each_time_the_same():
    entry = {"resource": {"resourceType": "Patient", "active": True}, "request": {"method": "POST", "url": "Patient"}}
    first, second = (requests(bundle("transaction", entry, entry)) for _ in range(2))
    assert first == second and len(set(first[1])) == 2


def test_post_with_a_uuid_becomes_put_under_it():
    entry = {"fullUrl": f"urn:uuid:{UUID}", "resource": {"resourceType": "Patient"}}
    entry["request"] = {"method": "POST", "url": "Patient"}
    (unit,) = made(bundle("transaction", entry))
    (sent,) = unit.bundle["entry"]
    assert unit.bundle["type"] == "transaction"
    assert sent["request"] == {"method": "PUT", "url": f"Patient/{UUID}"}
    assert sent["fullUrl"] == f"urn:uuid:{UUID}" and sent["resource"]["id"] == UUID


@pytest.mark.parametrize(
    "request_",
    [
        {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=1"},
        {"method": "PUT", "url": "Patient?identifier=1"},
        {"method": "PUT", "url": "Patient/1", "ifMatch": 'W/"1"'},
        {"method": "POST", "url": "Patient/$validate"},
    ],
)
def test_requests_that_are_repeatable_or_no_creates_stay(request_):
    entry = {"fullUrl": f"urn:uuid:{UUID}", "resource": {"resourceType": "Patient"}, "request": request_}
    assert made(bundle("batch", entry))[0].bundle["entry"] == [entry]


def test_deletes_of_a_transaction_stay():
    entry = {"request": {"method": "DELETE", "url": "Patient/1"}}
    assert made(bundle("transaction", entry))[0].bundle["entry"] == [entry]


@pytest.mark.parametrize("type", ["collection", "searchset"])
def test_what_other_bundles_hold_goes_under_its_ids(type):
    outcome = {"resource": {"resourceType": "OperationOutcome"}, "search": {"mode": "outcome"}}
    content = bundle(type, {"resource": {"resourceType": "Patient", "id": "1"}}, outcome)
    assert requests(content) == ("batch", [("PUT", "Patient/1")])


def test_resources_that_refer_by_uuid_stay_together():
    entries = [{"fullUrl": f"urn:uuid:{UUID}", "resource": {"resourceType": "Patient"}}]
    assert requests(bundle("collection", *entries)) == ("transaction", [("PUT", f"Patient/{UUID}")])


@pytest.mark.parametrize("type", ["document", "message"])
def test_documents_and_messages_are_stored_as_they_are(type):
    assert requests({**bundle(type), "id": "1"})[1] == [("PUT", "Bundle/1")]


def test_of_a_history_the_newest_counts():
    entries = [
        {"request": {"method": "DELETE", "url": "Patient/2"}},
        {"resource": {"resourceType": "Patient", "id": "1", "active": True}},
        {"resource": {"resourceType": "Patient", "id": "1", "active": False}},
        {"resource": {"resourceType": "Patient", "id": "2"}},
    ]
    assert requests(bundle("history", *entries))[1] == [("DELETE", "Patient/2"), ("PUT", "Patient/1")]


def test_lines_are_gathered_and_a_bad_one_is_refused_by_number():
    content = (
        b'{"resourceType":"Patient","id":"1"}\n\n{"resourceType":\n{"id":"2"}\n{"resourceType":"Patient","id":"3"}'
    )
    first, second, unit = made(content, "ndjson")
    assert isinstance(first, Refusal) and first.name == "f:3"
    assert isinstance(second, Refusal) and second.name == "f:4" and "resourceType" in second.reason
    assert list(unit.names) == ["f:1", "f:5"]


def test_many_lines_make_several_batches(monkeypatch):
    monkeypatch.setattr(module, "RESOURCES", 2)
    content = b"".join(b'{"resourceType":"Patient","id":"%d"}\n' % number for number in range(5))
    assert [len(unit.names) for unit in made(content, "ndjson")] == [2, 2, 1]


def test_lines_before_a_break_are_kept():
    packed = gzip.compress(b'{"resourceType":"Patient","id":"1"}\n' * 100_000)
    document = Document("f", "ndjson", gzip.GzipFile(fileobj=io.BytesIO(packed[:-20])))
    *before, last = units(document, R4)
    assert before and all(isinstance(unit, Unit) for unit in before)
    assert isinstance(last, Refusal) and "can't be read further" in last.reason


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "cut short"),
        (b"[]", "array"),
        ({"id": "1"}, "no resourceType"),
        (bundle("batch-response"), "answer"),
        ({"resourceType": "Bundle", "type": "transaction", "entry": 1}, "array of objects"),
        (bundle("collection", {"resource": 1}), "no resourceType"),
        (bundle("history", {}), "needs a resource"),
    ],
)
def test_what_is_no_resource_is_refused(content, said):
    (refusal,) = made(content)
    assert isinstance(refusal, Refusal) and said in refusal.reason


def test_a_document_past_the_limit_is_refused(monkeypatch):
    monkeypatch.setattr(module, "LARGEST", 10)
    (refusal,) = made({"resourceType": "Patient", "id": "1"})
    assert "NDJSON" in refusal.reason
