"""Big endian data sets as little endian ones: pydicom turns numbers and leaves binary values as they were."""

from __future__ import annotations

import struct
from typing import Any

from interfaces.dicom.dataset.vrs import WORDS


def turned(value: bytes, vr: str) -> bytes:
    """A binary value with the bytes of its words the other way round."""
    size = struct.calcsize(WORDS.get(vr, "B"))
    if size == 1 or len(value) % size:
        return value
    made = bytearray(len(value))
    for at in range(size):
        made[at::size] = value[size - 1 - at :: size]
    return bytes(made)


def turn(data_set: Any) -> None:
    """Makes a pydicom data set that was read as big endian one that is written as explicit little endian."""
    for element in data_set:
        if element.VR == "SQ":
            for item in element.value:
                turn(item)
        elif isinstance(element.value, bytes):
            element.value = turned(element.value, element.VR)
    data_set.set_original_encoding(False, True, data_set.original_character_set)
