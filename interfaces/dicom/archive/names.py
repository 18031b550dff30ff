"""Names as they are compared: without accents and case (PS3.4 section C.2.2.2.1 leaves both to the SCP)."""

from __future__ import annotations

import functools
import unicodedata


@functools.lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """A text in capitals, without accents, spaces around or empty components at its end."""
    plain = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in plain if not unicodedata.combining(sign)).upper().strip().rstrip("^ ")
