"""URLs of entries: read as parse_qsl reads them, however they are written."""

from urllib.parse import parse_qsl

import pytest

from fhir_server.interactions.entries import split_url

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
