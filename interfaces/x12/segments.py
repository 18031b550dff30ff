"""From text to segments, with every character kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fhir_server.core.errors import error

BETWEEN = " \r\n\t\x00\x1a"  # what may follow a terminator: line ends, and what ends a file on some machines
ISA_WIDTHS = (2, 10, 2, 10, 2, 15, 2, 15, 6, 4, 1, 5, 9, 1, 1, 1)


class Delimiters(NamedTuple):
    """How an interchange parts what it holds; repetition is "" where ISA11 is no separator (before 00402)."""

    element: str = "*"
    component: str = ":"
    terminator: str = "~"
    repetition: str = "^"


USUAL = Delimiters()


class Segment:
    """values: the elements after the id, as they stand; end: what follows up to the next segment, such as "~" and a
    line end; place: its number in the file, from 1."""

    __slots__ = ("end", "id", "place", "values")

    def __init__(self, id: str, values: list[str], end: str = "", place: int = 0) -> None:
        self.id = id
        self.values = values
        self.end = end
        self.place = place

    def __getitem__(self, number: int) -> str:
        """The element of a number, from 1 as X12 counts; "" where there is none."""
        return self.values[number - 1] if number <= len(self.values) else ""

    def text(self, element: str) -> str:
        """As it stood in the file."""
        return element.join((self.id, *self.values)) + self.end

    def __repr__(self) -> str:
        return self.text("*")


def segment(id: str, *values: str) -> Segment:
    """A new segment; empty elements at its end are left out."""
    last = len(values)
    while last and not values[last - 1]:
        last -= 1
    return Segment(id, list(values[:last]))


def delimiters_of(text: str) -> Delimiters:
    """The delimiters that an ISA segment at the text's start sets; FhirError "malformed" where it is none.

    An ISA that is not 106 characters long, as it must be, is read by its separators all the same.
    """
    if not text.startswith("ISA") or len(text) < 60:
        first = text[:3] if text else "nothing"
        raise error("malformed", f"An interchange must begin with an ISA segment of 106 characters, not {first!r}.")
    element = text[3]
    parts = text[:240].split(element, 16)
    if element.isalnum() or len(parts) < 17 or len(parts[16]) < 2:
        raise error("malformed", "The ISA segment is cut off: it must have 16 elements and a segment terminator.")
    repetition = parts[11] if len(parts[11]) == 1 and not parts[11].isalnum() else ""
    return Delimiters(element, parts[16][0], parts[16][1], repetition)


def segments(text: str, delimiters: Delimiters, place: int) -> Iterator[Segment]:
    """The segments of one interchange; line ends after a terminator are part of the segment before them."""
    element, terminator = delimiters.element, delimiters.terminator
    start = 0
    length = len(text)
    while start < length:
        stop = text.find(terminator, start)
        if stop < 0:
            values = text[start:].split(element)
            yield Segment(values[0], values[1:], "", place)
            return
        values = text[start:stop].split(element)
        after = stop + 1
        while after < length and text[after] in BETWEEN:
            after += 1
        yield Segment(values[0], values[1:], text[stop:after], place)
        place += 1
        start = after


def decoded(content: bytes) -> str:
    """The text of a file: UTF-8, else Latin-1, which keeps every byte."""
    try:
        return content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1")


def joined(found: Sequence[Segment], delimiters: Delimiters) -> str:
    """The text of segments as they stood."""
    return "".join(each.text(delimiters.element) for each in found)
