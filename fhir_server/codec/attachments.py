"""Attachments that lead to a resource of this server by a relative URL, told by an absolute one.

Whoever reads a file of an export has no base that a relative URL could be of
(https://hl7.org/fhir/uv/bulkdata/STU2/export.html#attachments).
"""

from __future__ import annotations

import re
from typing import Any

from fhir_server.codec.references import parse_reference

_RELATIVE = re.compile(rb'"url":"[A-Z][A-Za-z]+/')


def has_relative(body: bytes) -> bool:
    """Whether JSON may have such a URL."""
    return _RELATIVE.search(body) is not None


def make_absolute(value: Any, base: str) -> None:
    """Puts the base before each, in place."""
    if isinstance(value, list):
        for each in value:
            make_absolute(each, base)
    elif isinstance(value, dict):
        url = value.get("url")
        if isinstance(url, str) and parse_reference(url) is not None:
            value["url"] = f"{base}/{url}"
        for each in value.values():
            make_absolute(each, base)
