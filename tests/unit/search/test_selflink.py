from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.query import Query
from fhir_server.search.selflink import self_link

URL = "http://here.org/fhir/Patient"


@pytest.mark.parametrize(
    ("used", "cursor", "expected"),
    [
        ((), None, URL),
        ((("name", "a b"), ("code", "http://s|1,2")), None, f"{URL}?name=a%20b&code=http://s|1,2"),
        ((("name", "x"),), "abc", f"{URL}?name=x&_cursor=abc"),
        ((("name", "x"), ("_cursor", "old")), "new", f"{URL}?name=x&_cursor=new"),
        ((("name", "x"), ("_cursor", "old")), "", f"{URL}?name=x"),
        ((("name", "x"), ("_cursor", "old")), None, f"{URL}?name=x&_cursor=old"),
        ((("a:b", "&=#+%"),), None, f"{URL}?a:b=%26%3D%23%2B%25"),
    ],
)
def test_the_link_has_what_was_used(used, cursor, expected):
    assert self_link(URL, Query(("Patient",), used=used), cursor) == expected


@given(st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=4))
def test_the_link_says_the_same_again(used):
    link = self_link(URL, Query(("Patient",), used=tuple(used)))
    assert parse_qsl(urlsplit(link).query, keep_blank_values=True, errors="strict") == used
