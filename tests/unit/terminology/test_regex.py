"""Patterns of value set filters: right, and never slow."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhir_server.core.errors import FhirError
from terminology.regex import Pattern

PATTERNS = [
    "[A-Z]{3}", "a*b", "(a|b)*c", "a{2,4}", "a{0}b", "(ab)+", "a?b?c", "[^a-c]+", r"\d+\.\d*", "(a{2}){2}",
    "(a|bc){1,3}d", "^abc$", "x|", "", "(?:ab|a)(bc|c)?", "[a-]", "[]a]", r"\[x\]", "(a*)*b", "((a+)+)+", ".*a.*",
    "(a|){3}b", r"[\]a]+", "a{2,}",
]  # fmt: skip
WRONG = [
    "(", "a)", "*a", "a{300}", "a{3,2}", "(?=a)", r"\1", "[z-a]", "[a", "a{x}", "(" * 60, "a" * 501,
    "(((a{100}){100}){100})", "{2}", "a{", r"\p{L}", r"[\\", "\\",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS)
@given(text=st.text("abcdxAZ.-[]1", max_size=8))
@settings(max_examples=40)
def test_a_pattern_matches_what_backtracking_would(pattern, text):
    assert Pattern(pattern).matches(text) == bool(re.fullmatch(pattern, text))


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "a*a*a*a*a*a*b", "(a|aa)+b"])
def test_no_pattern_explodes(pattern):
    assert not Pattern(pattern).matches("a" * 3000 + "c")


@pytest.mark.parametrize("pattern", WRONG)
def test_a_pattern_that_is_wrong_or_too_large_is_refused(pattern):
    with pytest.raises(FhirError, match="pattern"):
        Pattern(pattern)
