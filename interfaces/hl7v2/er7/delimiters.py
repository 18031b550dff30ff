"""The separators of a message, as its MSH-1 and MSH-2 state them (HL7 v2.9, 2.5.4)."""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.core.errors import error

HEADERS = ("MSH", "BHS", "FHS")


class Delimiters(NamedTuple):
    """One character each; escape and truncation may be absent ("")."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""

    @property
    def encoding_characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


def read_delimiters(text: str) -> Delimiters:
    """The delimiters that a text stating MSH, BHS or FHS first has; FhirError "malformed" where it can't be read."""
    if text[:3] not in HEADERS:
        raise error("malformed", f"A message begins with MSH, not with {text[:3]!r}.", location="MSH")
    if len(text) < 4 or text[3].isalnum() or text[3] in "\r\n":
        raise error(
            "malformed", "MSH-1 has no field separator; it is the character after MSH, mostly |.", location="MSH-1"
        )
    field = text[3]
    stated = text[4:16].split("\r", 1)[0].split("\n", 1)[0].split(field, 1)[0]
    characters = [*stated[:5], *[""] * 5][:5]
    if not characters[0]:
        raise error("malformed", "MSH-2 has no encoding characters; they are mostly ^~\\&.", location="MSH-2")
    used = [field, *filter(None, characters)]
    if len(set(used)) < len(used) or any(character.isalnum() for character in used):
        raise error(
            "malformed",
            f"MSH-1 and MSH-2 ({field}{stated}) use a letter, a digit or one character twice.",
            location="MSH-2",
        )
    component, repetition, escape, subcomponent, truncation = characters
    return Delimiters(field, component, repetition, escape, subcomponent, truncation)
