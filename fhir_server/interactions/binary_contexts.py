"""Whose a Binary is: it is treated as the resource that its securityContext names.

https://hl7.org/fhir/R4/binary.html#security-context
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion

BINARY = "Binary"
_TARGET = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?\Z")

Key = tuple[str, str]
Seen = Callable[[Iterable[Key]], Awaitable[set[Key]]]  # those of these resources that may be seen


def context_of(version: StoredVersion) -> Key | None:
    """The resource that a Binary belongs to; None for other types and for one that names none."""
    if version.type != BINARY or b'"securityContext"' not in version.body:
        return None
    reference = decode(version.body).get("securityContext", {}).get("reference", "")
    found = _TARGET.search(reference)
    return (found[1], found[2]) if found and found[1] != BINARY else None


async def in_context(versions: list[StoredVersion], seen: Seen) -> list[StoredVersion]:
    """These without the Binaries that belong to what may not be seen."""
    contexts = {context for each in versions if (context := context_of(each)) is not None}
    if not contexts:
        return versions
    visible = await seen(contexts)
    return [each for each in versions if (context := context_of(each)) is None or context in visible]
