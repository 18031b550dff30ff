"""How words sound: the parameters named `phonetic` (https://hl7.org/fhir/R4/patient.html#search).

R4 leaves the way to the server. Here words with the same Soundex code sound alike: the first letter, and up to three
digits for the groups of consonants that follow (https://www.archives.gov/research/census/soundex).
"""

from __future__ import annotations

from functools import lru_cache

from fhir_server.core.folding import unaccented
from fhir_server.definitions import SearchParameter

KIND = "phonetic"
GROUPS = ("bfpv", "cgjkqsxz", "dt", "l", "mn", "r")
DIGITS = {letter: str(number) for number, letters in enumerate(GROUPS, 1) for letter in letters}
SILENT = "hw"  # consonants of one group on both sides of these count once
LENGTH = 4


def kind_of(parameter: SearchParameter) -> str:
    """The search type of a parameter, "phonetic" for those strings that are found by sound."""
    return KIND if parameter.code == KIND and parameter.type == "string" else parameter.type


def sounds(text: str) -> list[str]:
    """The code of each word; a word without Latin letters stands for itself."""
    return [soundex(word) for word in unaccented(text).replace("-", " ").split()]


@lru_cache(maxsize=1 << 13)
def soundex(word: str) -> str:
    """The code of one folded word: m460 of muller, miller and mueller."""
    letters = [letter for letter in word if "a" <= letter <= "z"]
    if not letters:
        return word
    code = letters[0]
    before = DIGITS.get(code, "")
    for letter in letters[1:]:
        digit = DIGITS.get(letter, "")
        if digit and digit != before:
            code += digit
        if letter not in SILENT:
            before = digit
    return code[:LENGTH].ljust(LENGTH, "0")
