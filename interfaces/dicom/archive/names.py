"""Names as they are compared: without accents and case (PS3.4 section C.2.2.2.1 leaves both to the SCP)."""

from __future__ import annotations

import functools
import unicodedata

VOICED = "\u3099\u309a"  # marks that make another kana, such as ta and da


@functools.lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """A text in capitals, without accents, spaces around or empty components at its end."""
    parted = unicodedata.normalize("NFKD", text)
    plain = "".join(sign for sign in parted if sign in VOICED or not unicodedata.combining(sign))
    return unicodedata.normalize("NFC", plain).upper().strip().rstrip("^ ")
