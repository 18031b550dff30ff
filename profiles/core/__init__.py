"""R4's own profiles and extension definitions, compact, as they come with the server.

`r4.ndjson.zst` is made by compile.py: one StructureDefinition a line, its url first, with its differential only.
"""

from __future__ import annotations

import functools
from importlib import resources
from typing import Any

import zstandard

from fhir_server.codec import json as codec

PREFIX = b'{"url":"'


@functools.cache
def _lines() -> dict[str, bytes]:
    packed = resources.files("profiles.core").joinpath("r4.ndjson.zst").read_bytes()
    text = zstandard.decompress(packed)
    return {line[len(PREFIX) : line.index(b'"', len(PREFIX))].decode(): line for line in text.splitlines()}


def find(url: str) -> dict[str, Any] | None:
    """The StructureDefinition of this url, without a version; None where R4 has none that constrains a type."""
    line = _lines().get(url)
    return None if line is None else codec.decode(line)


def urls() -> list[str]:
    """The urls of all."""
    return list(_lines())
