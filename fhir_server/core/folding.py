"""Texts as searches compare them.

Specification: https://hl7.org/fhir/R4/search.html#string
"""

from __future__ import annotations

from unicodedata import category, combining, normalize

DROPPED = "'`.´’‘ʼʻʹʽ′"  # stand within a word: O'Brien is obrien, M.D. is md


class _Punctuation(dict[int, int | str | None]):
    """What str.translate makes of each character, found out when it is first met."""

    def __missing__(self, code: int) -> int | str | None:
        character = chr(code)
        if character in DROPPED or combining(character):
            made = None
        else:
            made = " " if category(character).startswith("P") else code
        self[code] = made
        return made


_PUNCTUATION = _Punctuation()
_ASCII = bytes(32 if category(chr(code)).startswith("P") else ord(chr(code).lower()) for code in range(128)) + bytes(
    128
)
_ASCII_DROPPED = "".join(filter(str.isascii, DROPPED)).encode()


def fold(text: str) -> str:
    """Text as string search compares it: no case, no accents, no punctuation, single spaces.

    Apostrophes and full stops are left out, other punctuation parts words as a space does: O'Brien-Smith is "obrien
    smith". Of a text that is nothing but punctuation that is kept.
    """
    if text.isascii():
        if text.isalnum():
            return text.lower()
        folded = text.encode().translate(_ASCII, _ASCII_DROPPED).decode()
    else:
        folded = normalize("NFKD", text.casefold().replace("´", "'")).translate(_PUNCTUATION)
    return " ".join(folded.split()) or unaccented(text)


def unaccented(text: str) -> str:
    """Text without case and accents, with single spaces; its punctuation as it is."""
    if text.isascii():
        folded = text.lower()
    else:
        folded = "".join([c for c in normalize("NFKD", text.casefold()) if not combining(c)])
    return " ".join(folded.split())
