"""What a caller accepts: media ranges with type and transfer-syntax (PS3.18 section 8.7)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from fhir_server.core.errors import error

_PART = re.compile(r'[^,"]*(?:"[^"]*"[^,"]*)*')
_PARAMETER = re.compile(r';\s*([\w-]+)\s*=\s*("[^"]*"|[^;\s]*)')


class MediaRange(NamedTuple):
    """One of a list: its media type, whether parts of multipart/related, the transfer syntax ("" for none, or *)."""

    type: str
    multipart: bool
    syntax: str
    quality: float

    def covers(self, type: str) -> bool:
        """Whether a media type is in the range."""
        return self.type in ("*/*", type) or (self.type.endswith("/*") and type.startswith(self.type[:-1]))


def media_ranges(text: str) -> list[MediaRange]:
    """The ranges of an Accept header, the preferred ones first."""
    found = []
    for part in _PART.findall(text):
        if not part.strip():
            continue
        parameters = {name.lower(): value.strip('"') for name, value in _PARAMETER.findall(part)}
        type = part.split(";")[0].strip().lower()
        try:
            quality = float(parameters.get("q", "1"))
        except ValueError:
            quality = 1.0
        multipart = type in ("multipart/related", "multipart/*")
        inner = parameters.get("type", "*/*").lower() if multipart else type
        found.append(MediaRange(inner, multipart, parameters.get("transfer-syntax", ""), quality))
    return sorted((each for each in found if each.quality > 0), key=lambda each: -each.quality)


def chosen(text: str, offered: Iterable[str]) -> tuple[str, MediaRange]:
    """The first offered type that the caller prefers; FhirError "not-acceptable" where it takes none."""
    offered = list(offered)
    for wanted in media_ranges(text):
        for type in offered:
            if wanted.covers(type):
                return type, wanted
    raise error("not-acceptable", f"Accept asks for {text[:200]}; this can be given as {', '.join(offered)}.")
