"""URIs as a code system: urn:ietf:rfc:3986."""

from __future__ import annotations

import re

from terminology.grammars.base import Grammar
from terminology.model import Concept, SystemInfo

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")


class Uris(Grammar):
    """Any absolute URI."""

    def __init__(self) -> None:
        self.info = SystemInfo("urn:ietf:rfc:3986", "", "URIs (RFC 3986)")

    def find(self, code: str) -> Concept | None:
        """The URI itself."""
        return Concept(0, code, code) if _URI.fullmatch(code) else None

    def why_not(self, code: str) -> str:
        """What a URI looks like."""
        return "An absolute URI is expected, such as https://example.org/a or urn:oid:1.2.3."
