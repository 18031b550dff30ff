"""A resource's canonical bytes: resourceType, id and meta first, the rest as it came.

Encoding happens once, before the version is known; the id, version and moment are put in front by joining bytes.
"""

from __future__ import annotations

from typing import Any

import msgspec

from fhir_server.codec.json import serialize
from fhir_server.core.keys import instant

_SET_BY_SERVER = ("versionId", "lastUpdated")
_IN_FRONT = ("resourceType", "id", "meta")


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A resource encoded but for its id, version and lastUpdated."""

    type: str
    meta: bytes
    rest: bytes

    def body(self, id: str, version: int, updated: int) -> bytes:
        """The canonical bytes of this version; updated in microseconds since 1970 UTC."""
        front = (
            f'{{"resourceType":"{self.type}","id":"{id}","meta":{{"versionId":"{version}",'
            f'"lastUpdated":"{instant(updated)}"'
        )
        return front.encode() + self.meta + self.rest


def draft(resource: dict[str, Any]) -> Draft:
    """Encodes a resource; its id, meta.versionId and meta.lastUpdated are left out."""
    others = resource.copy()
    for name in _IN_FRONT:
        others.pop(name, None)
    rest = serialize(others)
    meta = resource.get("meta")
    kept = {name: value for name, value in meta.items() if name not in _SET_BY_SERVER} if meta else None
    return Draft(
        resource["resourceType"],
        b"," + serialize(kept)[1:] if kept else b"}",
        b"," + rest[1:] if len(rest) > 2 else b"}",
    )
