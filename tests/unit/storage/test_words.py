"""Words of a resource's JSON."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.storage.sqlite.search.functions import content_has
from fhir_server.storage.words import texts_in, worded, words_of

TEXTS = st.text(
    st.sampled_from('aÜİß③1._-,:"\\\n\t{}[]é ') | st.characters(exclude_categories=["Cs"], exclude_characters="\3"),
    max_size=8,
)
VALUES = st.recursive(
    TEXTS | st.booleans() | st.none() | st.integers(-(2**60), 2**60) | st.floats(-1e6, 1e6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b1", "value"]), inner),
    max_leaves=8,
)


@given(VALUES)
def test_words_in_the_bytes_are_those_of_the_parsed_texts(value):
    body = msgspec.json.encode({"note": value})
    parsed = texts_in(msgspec.json.decode(body))
    assert {tuple(text.split()) for text in worded(body)} == {
        tuple(words) for text in parsed if (words := words_of(text))
    }


@pytest.mark.parametrize("number", [b"1E+400", b"-1.5E+999", b"1E-400", b"1" + b"0" * 900])
def test_words_are_found_beside_a_number_that_is_past_what_a_float_holds(number):
    body = b'{"text":"cold feet","value":' + number + b"}"
    assert content_has(body, "cold feet")
    assert "cold feet" in worded(body)
