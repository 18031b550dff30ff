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
# (url, element) -> the strength of its binding. R4 says "required", and its value set lacks units of a flow, which
# US Core wants beside an oxygen saturation; its profiles, which build on this one, say "extensible".
_STRENGTHS = {
    ("http://hl7.org/fhir/StructureDefinition/vitalsigns", "Observation.component.value[x]"): "extensible",
}


@functools.cache
def _lines() -> dict[str, bytes]:
    packed = resources.files("profiles.core").joinpath("r4.ndjson.zst").read_bytes()
    text = zstandard.decompress(packed)
    return {line[len(PREFIX) : line.index(b'"', len(PREFIX))].decode(): line for line in text.splitlines()}


def find(url: str) -> dict[str, Any] | None:
    """The StructureDefinition of this url, without a version; None where R4 has none that constrains a type."""
    line = _lines().get(url)
    return None if line is None else _amended(codec.decode(line))


def _amended(structure: dict[str, Any]) -> dict[str, Any]:
    for element in structure["differential"]["element"]:
        strength = _STRENGTHS.get((structure["url"], element["path"]))
        if strength is not None:
            element["binding"]["strength"] = strength
    return structure


def urls() -> list[str]:
    """The urls of all."""
    return list(_lines())
