"""Media types as a code system: urn:ietf:bcp:13 (https://www.rfc-editor.org/rfc/rfc6838)."""

from __future__ import annotations

import re
from collections.abc import Callable

from terminology.grammars.base import Grammar
from terminology.model import Concept, Property, SystemInfo

REGISTRY = "https://www.iana.org/assignments/media-types"
_TOP_LEVEL = "application|audio|chemical|example|font|haptics|image|message|model|multipart|text|video|x-[a-z0-9-]+"
_NAME = r"[a-z0-9*][a-z0-9!#$&^_.+*-]{0,126}"
_PARAMETER = r"""\s*;\s*[a-z0-9!#$&^_.+-]+\s*=\s*(?:[a-z0-9!#$&^_.+'/:()-]+|"[^"\\]*")"""
_TYPE = re.compile(rf"(?P<type>{_TOP_LEVEL})/(?P<subtype>{_NAME})(?:{_PARAMETER})*", re.IGNORECASE)


class MediaTypes(Grammar):
    """type/subtype with parameters; registry finds what IANA says of a registered one."""

    def __init__(self, registry: Callable[[str], Concept | None] = lambda code: None) -> None:
        self.info = SystemInfo("urn:ietf:bcp:13", "", "Media types (BCP 13)", case_sensitive=False)
        self._registry = registry

    def find(self, code: str) -> Concept | None:
        """A well-formed media type."""
        if not _TYPE.fullmatch(code):
            return None
        known = self._registry(code.partition(";")[0].strip().lower())
        return Concept(0, code, known.display if known and ";" not in code else code)

    def why_not(self, code: str) -> str:
        """What a media type looks like."""
        return "A media type is written type/subtype, such as application/pdf or text/plain; charset=utf-8."

    def properties(self, concept: Concept) -> tuple[Property, ...]:
        """type and subtype, and whether it is registered."""
        match = _TYPE.fullmatch(concept.code)
        if match is None:
            return ()
        known = self._registry(concept.code.partition(";")[0].strip().lower()) is not None
        return (
            Property("type", "code", match["type"].lower()),
            Property("subtype", "code", match["subtype"].lower()),
            Property("registered", "boolean", known),
        )

    def property_codes(self) -> list[str]:
        """type, subtype, registered."""
        return ["type", "subtype", "registered"]
