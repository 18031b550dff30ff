"""Cursors are opaque, and refused where they are not ours."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.errors import FhirError
from fhir_server.core.query import Query, SortKey
from fhir_server.storage import cursors
from fhir_server.storage.cursors import Position
from tests.unit.storage.sqlite.shelf import Shelf

KEYS = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    str: st.text(st.characters(exclude_categories=["Cs"])),
}


@given(st.data(), st.lists(st.sampled_from(list(KEYS)), max_size=3), st.integers(0, 2**40))
def test_a_cursor_is_read_as_it_was_written(data, kinds, rid):
    position = Position(tuple(data.draw(st.none() | KEYS[kind]) for kind in kinds), rid)
    assert cursors.read(cursors.write(cursors.AFTER, position), kinds) == cursors.Cursor(cursors.AFTER, position)


def packed(value):
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


REFUSED = [
    "x",
    "!!!!",
    "é",
    "a" * 30_000,
    packed("a"),
    packed([]),
    packed({"a": 1}),
    packed(["a"]),
    packed(["a", "1", 5]),
    packed(["a", 1, "5"]),
    packed(["a", 1, 5.5]),
    packed(["a", 1, True]),
    packed(["a", True, 5]),
    packed(["a", 1, 2**63]),
    packed(["a", 2**70, 5]),
    packed(["a", 1, 5, 6]),
    packed(["f", 1, 5]),
    packed(["z", 1, 5]),
    packed([["a"], 1, 5]),
    base64.urlsafe_b64encode(b"[" * 10_000).decode(),
    base64.urlsafe_b64encode(b'["a", 1, NaN]').decode(),
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_no_cursor_of_this_search_is_refused(text):
    with pytest.raises(FhirError, match="first page"):
        Shelf().page(Query(("Patient",), sort=(SortKey(("date",), "date"),), cursor=text))


@given(st.text(max_size=60))
def test_no_text_at_all_breaks_the_reading_of_cursors(text):
    try:
        cursors.read(text, [int, str])
    except FhirError as refused:
        assert refused.category == "value"
