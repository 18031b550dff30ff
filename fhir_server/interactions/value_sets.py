"""Value sets named by where they are stored: `code:in=ValueSet/123`, also as a URL of this server.

https://hl7.org/fhir/R4/search.html#token
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from fhir_server.codec.references import parse_reference
from fhir_server.core.ports import ResourceReads, TerminologyService


class _Named(msgspec.Struct):
    url: str = ""
    version: str = ""


class StoredValueSets:
    """The terminology of a search, which takes a reference to a stored ValueSet for its canonical URL."""

    def __init__(self, terminology: TerminologyService, reads: ResourceReads, base: str) -> None:
        self._terminology = terminology
        self._reads = reads
        self._base = base
        self.below = terminology.below
        self.above = terminology.above
        self.validate_code = terminology.validate_code

    async def expand(self, value_set: str) -> Sequence[tuple[str, str]] | None:
        """core.ports.TerminologyService.expand; a reference goes before a canonical URL that is the same."""
        local = parse_reference(value_set, self._base)
        if local is not None and local.type == "ValueSet":
            stored = await self._reads.read(local.type, local.id)
            named = msgspec.json.decode(stored.body, type=_Named) if stored and not stored.deleted else _Named()
            if named.url:
                return await self._terminology.expand(f"{named.url}|{named.version}" if named.version else named.url)
        return await self._terminology.expand(value_set)
