"""Soundex, by the examples of the National Archives and names of other scripts."""

import pytest

from fhir_server.search.phonetic import sounds


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Washington", ["w252"]),
        ("Lee", ["l000"]),
        ("Pfister", ["p236"]),
        ("Tymczak", ["t522"]),
        ("Ashcraft", ["a261"]),
        ("VanDeusen", ["v532"]),
        ("Jackson Gutierrez", ["j250", "g362"]),
        ("Müller-Lüdenscheidt", ["m460", "l352"]),
        ("Πέτρος 王", ["πετροσ", "王"]),
    ],
)
def test_words_that_sound_alike_have_one_code(text, codes):
    assert sounds(text) == codes
