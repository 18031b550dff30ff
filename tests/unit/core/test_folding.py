"""What is the same to a search of strings."""

import pytest

from fhir_server.core.folding import fold, unaccented


@pytest.mark.parametrize(
    ("written", "folded"),
    [
        ("O'Brien", "obrien"),
        ("O’Brien", "obrien"),
        ("O´Brien", "obrien"),
        ("Smith-Jones", "smith jones"),
        ("Müller–Lüdenscheidt", "muller ludenscheidt"),
        ("D. J.\t Fish,  M.D.", "d j fish md"),
        ("12 Rue de l'Église (Apt. #5)", "12 rue de leglise apt 5"),
        ("Groß, Łukasz", "gross łukasz"),
        ("B12+C", "b12+c"),
        ("中村・花子", "中村 花子"),
        ("-", "-"),
        (" —\t… ", "— ..."),
        (" ", ""),
    ],
)
def test_case_accents_and_punctuation_are_passed_over(written, folded):
    assert fold(written) == folded
    assert fold(folded) == folded


def test_words_keep_their_punctuation():
    assert unaccented("  O'Brien-Müller ") == "o'brien-muller"
