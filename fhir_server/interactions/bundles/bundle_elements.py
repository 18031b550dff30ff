"""The elements of a Bundle to perform: those that R4 gives it, and no others.

Its resources are validated where they are stored. What stands around them is read and thrown away, so that an
`ifNoneExists`, which R4 does not have, would otherwise store a second patient without a word.
"""

from __future__ import annotations

import difflib
import functools
from typing import Any

from fhir_server.core.errors import error
from fhir_server.definitions import load

BUNDLE, ENTRY, REQUEST = "Bundle", "Bundle.entry", "Bundle.entry.request"


@functools.cache
def _names(type: str) -> frozenset[str]:
    properties = load().properties(type)
    extended = [f"_{name}" for name, known in properties.items() if known.primitive]
    return frozenset((*properties, *extended, *(["resourceType"] if type == BUNDLE else [])))


def require_bundle_elements(value: dict[str, Any], type: str, where: str) -> None:
    """FhirError where a Bundle, or a part of it (type: a key of R4's types), has an element that R4 does not have."""
    known = _names(type)
    if value.keys() <= known:
        return
    name = next(name for name in value if name not in known)
    near = difflib.get_close_matches(name, known, 1)
    hint = f" Did you mean '{near[0]}'?" if near else " Leave it out."
    raise error("invalid", f"{type} has no element '{name[:80]}'.{hint}", code="structure", expression=where)
