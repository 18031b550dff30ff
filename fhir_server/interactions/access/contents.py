"""What no clause of a query tells: whose a Binary is, and what a stored Bundle says of others.

A Binary is treated as the resource that its securityContext names; within a patient's context only those are there that
name something of that patient's (https://hl7.org/fhir/R4/binary.html#security-context). A Bundle that is stored, such
as a document or a collection, is shown where each resource in it would be, as policies and Consents go.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from functools import cached_property
from typing import Any

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.core.values import SearchValue
from fhir_server.interactions.access.restriction import Restriction
from fhir_server.search.holding import Version, holds

BINARY, BUNDLE = "Binary", "Bundle"
LARGE = 100_000  # bytes of a Bundle that is not looked into by the event loop
_TARGET = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[^/]*)?\Z")

Key = tuple[str, str]
Extract = Callable[[dict[str, Any]], list[SearchValue]]
# those of these resources that may be seen, and for which a further restriction holds, where there is one
Seen = Callable[[Iterable[Key], Restriction | None], Awaitable[set[Key]]]


class Contents:
    """For one caller whom something restricts, of a server with these resource types."""

    def __init__(self, caller: Caller, extract: Extract, types: Collection[str]) -> None:
        self.extract = extract
        self._types = types
        self._reading = caller.reading or caller.restriction
        self._belonging = caller.belonging
        self._inside = caller.inside

    def concern(self, type: str) -> bool:
        """Whether resources of a type must be looked into."""
        return (type == BUNDLE and self._inside is not None) or (type == BINARY and self._binaries)

    @cached_property
    def _binaries(self) -> bool:
        limit = self._reading
        return self._belonging is not None or (
            limit is not None and any(limit(each) is not None for each in self._types)
        )

    async def shown(self, versions: list[StoredVersion], seen: Seen) -> list[StoredVersion]:
        """These without what belongs to, or holds, what may not be seen; the same list where nothing goes."""
        if not any(self.concern(version.type) for version in versions):
            return versions
        named = [(each, context_of(each)) for each in versions]
        contexts = {context for _, context in named if context is not None}
        visible = await seen(contexts, self._belonging) if contexts else set()
        left = [each for each, context in named
                if not self.concern(each.type) or await self._is_open(each, context, visible)]  # fmt: skip
        return left if len(left) < len(versions) else versions

    async def _is_open(self, version: StoredVersion, context: Key | None, visible: set[Key]) -> bool:
        if version.type == BINARY:
            return self._belonging is None if context is None else context in visible
        if version.deleted:
            return False
        if len(version.body) > LARGE:
            return await asyncio.to_thread(self._holds_nothing_hidden, version.body)
        return self._holds_nothing_hidden(version.body)

    def _holds_nothing_hidden(self, bundle: bytes) -> bool:
        return all(map(self._may_be_told, _held(decode(bundle))))

    def _may_be_told(self, resource: Any) -> bool:
        """Whether nothing of a resource is kept from the caller; what can't be told of is kept."""
        type = resource.get("resourceType", "") if isinstance(resource, dict) else ""
        if type not in self._types or self._inside is None:
            return False
        limit = self._inside(type)
        return limit is None or holds(limit, Version(type, resource.get("id", ""), self.extract(resource))) is True


def _held(bundle: dict[str, Any]) -> Iterator[Any]:
    """The resources in a Bundle, and in Bundles in it; what stands in place of one where it was stored unchecked."""
    entries = bundle.get("entry", [])
    for entry in entries if isinstance(entries, list) else [entries]:
        resource = entry.get("resource") if isinstance(entry, dict) else entry
        if resource is not None:
            yield resource
            if isinstance(resource, dict) and resource.get("resourceType") == BUNDLE:
                yield from _held(resource)


def context_of(version: StoredVersion) -> Key | None:
    """The resource that a Binary belongs to; None for other types and for one that names none."""
    if version.type != BINARY or b'"securityContext"' not in version.body:
        return None
    named = decode(version.body).get("securityContext")
    reference = named.get("reference") if isinstance(named, dict) else None
    found = _TARGET.search(reference) if isinstance(reference, str) else None  # neither, where stored unchecked
    return (found[1], found[2]) if found and found[1] != BINARY else None
