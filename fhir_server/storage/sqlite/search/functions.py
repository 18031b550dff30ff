"""What SQL can't say itself: functions of Python that the statements of a search call."""

from __future__ import annotations

import math
import sqlite3

import msgspec

from fhir_server.core.ports import UnitConverter
from fhir_server.storage.words import texts_in, words_of

EARTH = 6_371_008.8  # metres: mean radius
_decode = msgspec.json.Decoder(float_hook=float).decode  # without the hook 1e400 is an error


def register(connection: sqlite3.Connection, converter: UnitConverter | None) -> None:
    """Makes the functions known to a connection that is to search; converter: between units of quantities."""
    connection.create_function("distance", 4, distance, deterministic=True)
    connection.create_function("word_starts", 2, word_starts, deterministic=True)
    connection.create_function("content_has", -1, content_has, deterministic=True)
    canonical = converter.canonical if converter else lambda value, system, code: value
    connection.create_function("canonical", 3, canonical, deterministic=True)


def distance(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Metres on the great circle between two points in degrees (haversine)."""
    a, b = math.radians(latitude), math.radians(other_latitude)
    half_chord = (
        math.sin((b - a) / 2) ** 2
        + math.cos(a) * math.cos(b) * math.sin(math.radians(other_longitude - longitude) / 2) ** 2
    )
    return 2 * EARTH * math.asin(math.sqrt(min(1.0, half_chord)))


def word_starts(text: str, start: str) -> bool:
    """Whether the text or a word of it starts so; a word begins where a letter or digit follows what is neither."""
    at = text.find(start)
    while at >= 0:
        if at == 0 or not text[at - 1].isalnum() or not text[at].isalnum():
            return True
        at = text.find(start, at + 1)
    return False


def content_has(body: bytes, *phrases: str) -> bool:
    """Whether the texts in a resource's JSON have all the phrases: words one after the other, parted by spaces.

    A deletion, whose body is b"", has none.
    """
    if not body:
        return False
    found = f" {'  '.join(' '.join(words_of(text)) for text in texts_in(_decode(body)))} "
    return all(f" {phrase} " in found for phrase in phrases)
