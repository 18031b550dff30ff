"""Texts in the Specific Character Set that a peer asks for (PS3.3 section C.12.1.1.2, PS3.5 section 6.1.2.5)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

from interfaces.dicom.dataset.vrs import TEXT

ASCII_ALONE = ("", "ISO_IR 6", "ISO 2022 IR 6")  # read as ISO 8859-1, as many senders mean it, but not written so
_LATIN = re.compile("[\x80-\xff]")
# what ends the use of a code extension: of a name its components and groups too
_DELIMITERS = {"PN": re.compile(r"([\\^=])")}
_BETWEEN_VALUES = re.compile(r"([\\\r\n\f\t])")


def writer(names: list[Any]) -> Callable[[str, str], bytes] | None:
    """What writes a text of a VR in these character sets; UnicodeEncodeError where they lack a sign of it.

    None where the names are no character sets, or that of the server's own answers.
    """
    from pydicom.charset import python_encoding

    wanted = [str(name or "") for name in names]
    if not any(wanted) or any(name not in python_encoding for name in wanted):
        return None
    codecs = [python_encoding[name] for name in wanted]

    def write(vr: str, text: str) -> bytes:
        if text.isascii() or vr not in TEXT:
            return text.encode("ascii", "replace")
        if wanted[0] in ASCII_ALONE and (found := _LATIN.search(text)):
            raise UnicodeEncodeError("ascii", text, *found.span(), "not in the character set")
        pieces = _DELIMITERS.get(vr, _BETWEEN_VALUES).split(text)
        return b"".join(_encoded(piece, codecs) for piece in pieces)

    return write


def _encoded(text: str, codecs: list[str]) -> bytes:
    """A text by the first of the codecs that can write it, with escapes where that is not the first of all."""
    from pydicom.charset import decode_bytes, encode_string

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = encode_string(text, codecs)
        if decode_bytes(made, codecs, set()) != text:
            raise UnicodeEncodeError(codecs[0], text, 0, len(text), "not in the character set")
    return made
