"""Names and values of a query or a form."""

from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.core.errors import FhirError
from fhir_server.rest.decode import MOST_PARAMETERS, pairs


@given(st.text(alphabet="ab=&%+;é0C39zF|\x00 ", max_size=24))
def test_they_are_those_of_the_standard_library(text: str) -> None:
    try:
        expected = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        with pytest.raises(FhirError, match="must be UTF-8"):
            pairs(text.encode(), "query")
    else:
        assert pairs(text.encode(), "query") == expected


@pytest.mark.parametrize("value", ["a", "%61"])
def test_there_may_not_be_any_number_of_them(value: str) -> None:
    assert len(pairs("&".join([f"x={value}"] * MOST_PARAMETERS).encode(), "query")) == MOST_PARAMETERS
    with pytest.raises(FhirError, match=f"at most {MOST_PARAMETERS}"):
        pairs("&".join([f"x={value}"] * (MOST_PARAMETERS + 1)).encode(), "query")
