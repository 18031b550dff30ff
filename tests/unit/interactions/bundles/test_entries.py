"""URLs of entries: read as parse_qsl reads them, however they are written."""

from urllib.parse import parse_qsl

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.interactions.bundles.entries import entry_request, split_url
from fhir_server.interactions.request import Request

QUERIES = (
    "identifier=urn:a|1",
    "identifier=urn:a%7C1%23x",
    "a=b=c",
    "name",
    "name=",
    "given=a+b",
    "a=1&b=%26",
    "a=%E4",
)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_is_read_as_a_form_is(query):
    assert split_url(f"Patient?{query}", "") == (("Patient",), parse_qsl(query, keep_blank_values=True))


def test_a_path_is_decoded_and_taken_from_under_the_base():
    assert split_url("http://a/fhir/Patient/1%2D2", "http://a/fhir") == (("Patient", "1-2"), [])


def test_an_entry_of_another_server_is_refused():
    raw = {"request": {"method": "GET", "url": "http://other.test/fhir/Patient/1"}}
    with pytest.raises(FhirError, match="not below http://a/fhir") as refusal:
        entry_request(raw, 2, Request("POST", (), base="http://a/fhir"))
    assert refusal.value.issues[0].expression == "Bundle.entry[2].request.url"


@pytest.mark.parametrize(
    ("raw", "says", "where"),
    [
        ({"fulUrl": "urn:uuid:1"}, "no element 'fulUrl'. Did you mean 'fullUrl'", ""),
        ({"zzz": 1}, "Bundle.entry has no element 'zzz'. Leave it out", ""),
        ({"fullUrl": 5}, "must be a string", ".fullUrl"),
        ({"request": {"ifNoneExists": "a=b"}}, "Did you mean 'ifNoneExist'", ".request"),
        ({"request": {"ifNoneExist": ""}}, "ifNoneExist must be a string with something in it", ".request.ifNoneExist"),
    ],
)
def test_what_r4_does_not_have_in_an_entry_is_refused(raw, says, where):
    raw = {**raw, "request": {"method": "POST", "url": "Patient", **raw.get("request", {})}}
    with pytest.raises(FhirError, match=says) as refusal:
        entry_request(raw, 0, Request("POST", ()))
    assert refusal.value.status == 400
    assert refusal.value.issues[0].expression == "Bundle.entry[0]" + where
