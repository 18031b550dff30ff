"""Transfer syntaxes as this server needs them (PS3.6 table A-1, PS3.5 annex A)."""

from __future__ import annotations

from typing import NamedTuple

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

UNCOMPRESSED = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED)


class Syntax(NamedTuple):
    """How a data set is written: implicit VR, big endian, deflated, pixel data encapsulated."""

    implicit: bool
    big: bool
    deflated: bool
    encapsulated: bool


_NATIVE = {
    IMPLICIT_LITTLE: Syntax(True, False, False, False),
    EXPLICIT_LITTLE: Syntax(False, False, False, False),
    DEFLATED: Syntax(False, False, True, False),
    EXPLICIT_BIG: Syntax(False, True, False, False),
}
_ENCAPSULATED = Syntax(False, False, False, True)

# media type of one frame as it is stored (PS3.18 table 8.7.3-1 and 8.7.3-2)
FRAME_TYPES = {
    "1.2.840.10008.1.2.4.50": "image/jpeg",
    "1.2.840.10008.1.2.4.51": "image/jpeg",
    "1.2.840.10008.1.2.4.57": "image/jpeg",
    "1.2.840.10008.1.2.4.70": "image/jpeg",
    "1.2.840.10008.1.2.4.80": "image/jls",
    "1.2.840.10008.1.2.4.81": "image/jls",
    "1.2.840.10008.1.2.4.90": "image/jp2",
    "1.2.840.10008.1.2.4.91": "image/jp2",
    "1.2.840.10008.1.2.4.201": "image/jphc",
    "1.2.840.10008.1.2.4.202": "image/jphc",
    "1.2.840.10008.1.2.4.203": "image/jphc",
    "1.2.840.10008.1.2.5": "image/dicom-rle",
    "1.2.840.10008.1.2.4.100": "video/mpeg",
    "1.2.840.10008.1.2.4.102": "video/mp4",
    "1.2.840.10008.1.2.4.103": "video/mp4",
}


def syntax(uid: str) -> Syntax:
    """How a transfer syntax writes; every one that is not native is explicit little endian and encapsulated."""
    return _NATIVE.get(uid, _ENCAPSULATED)
