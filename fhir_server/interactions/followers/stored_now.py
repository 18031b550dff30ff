"""All current resources of a type, by the store alone: what has to be known before the index may answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ResourceReads

PAGE = 200


async def stored_now(reads: ResourceReads, type: str) -> AsyncIterator[StoredVersion]:
    """Each once, the one that was changed last first; for types of which there are few."""
    seen: set[str] = set()
    cursor = ""
    while True:
        page = await reads.history(type, cursor=cursor, count=PAGE)
        for version in page.versions:
            if version.id not in seen and not version.deleted:
                yield version
            seen.add(version.id)
        cursor = page.next
        if not cursor:
            return
