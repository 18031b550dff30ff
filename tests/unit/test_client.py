import httpx
import pytest

from fhir_server.api import Request
from fhir_server.client import HttpClient
from fhir_server.core.errors import FhirError

pytestmark = pytest.mark.anyio
BASE = "http://fhir.test/fhir"


def answering(*answers):
    given = iter(answers)
    return HttpClient(BASE, transport=httpx.MockTransport(lambda request: next(given)))


@pytest.fixture
def client(fhir):
    return HttpClient(BASE + "/", transport=fhir.http._transport)


async def test_it_stores_and_finds_as_the_server_in_process_does(fhir, client):
    patient = {"resourceType": "Patient", "id": "1", "name": [{"family": "Müller & Söhne"}]}
    stored = await client.perform(Request("PUT", ("Patient", "1"), resource=patient))
    found = await client.perform(Request("GET", ("Patient",), [("name", "Müller & Söhne"), ("_summary", "count")]))
    assert stored.status == 201 and b'"total":1' in found.body


async def test_an_error_is_the_same_as_in_process(fhir, client):
    request = Request("GET", ("Patient", "none"))
    with pytest.raises(FhirError) as over_http:
        await client.perform(request)
    with pytest.raises(FhirError) as in_process:
        await fhir.server.perform(request)
    assert over_http.value.status == in_process.value.status == 404
    assert str(over_http.value) == str(in_process.value)


async def test_a_busy_server_is_asked_again():
    client = answering(httpx.Response(503, headers={"retry-after": "0"}), httpx.Response(200, content=b"{}"))
    assert (await client.perform(Request("GET", ("metadata",)))).status == 200


async def test_an_answer_that_is_no_outcome_still_tells_its_status():
    with pytest.raises(FhirError, match="HTTP status 502"):
        await answering(httpx.Response(502, content=b"<html>")).perform(Request("GET", ("metadata",)))


async def test_a_server_that_is_not_there_is_named():
    with pytest.raises(FhirError, match=r"No server answers at http://127\.0\.0\.1:9/fhir"):
        await HttpClient("http://127.0.0.1:9/fhir").perform(Request("GET", ("metadata",)))


async def test_a_server_that_takes_too_long_is_named_with_the_reason():
    def wait(request):
        raise httpx.ReadTimeout("", request=request)

    with pytest.raises(FhirError, match=r"did not answer: ReadTimeout\."):
        await HttpClient(BASE, transport=httpx.MockTransport(wait)).perform(Request("GET", ("metadata",)))


def test_a_base_without_scheme_is_refused():
    with pytest.raises(FhirError, match="http://"):
        HttpClient("localhost:8080/fhir")


@pytest.mark.parametrize("each", [1, 80])
async def test_resources_are_found_by_their_identifiers_over_http_and_in_process(fhir, client, monkeypatch, each):
    monkeypatch.setattr("fhir_server.client.AT_ONCE", each)
    monkeypatch.setattr("fhir_server.interactions.identified.AT_ONCE", each)
    for id, system, value in (("1", "urn:a", "x|1"), ("2", "urn:a", "2"), ("3", "urn:b", "2"), ("4", "urn:a", "2")):
        stated = [{"system": system, "value": value}]
        resource = {"resourceType": "Patient", "id": id, "identifier": stated}
        await fhir.server.perform(Request("PUT", ("Patient", id), resource=resource))
    asked = [("urn:a", "2"), ("urn:a", "x|1"), ("urn:a", "none")]
    for asking in (client, fhir.server):
        found = await asking.identified({"Patient": asked, "Encounter": [("urn:b", "none")]})
        assert sorted(one["id"] for one in found) == ["1", "2", "4"]
        assert await asking.identified({"Binary": asked[:0]}) == []
