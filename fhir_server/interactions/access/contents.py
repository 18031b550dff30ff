"""What a resource's content tells of who may see it: whose a Binary is, and what a stored Bundle says of others.

A Binary is treated as the resource that its securityContext names; within a patient's context only those are there that
name something of that patient's (https://hl7.org/fhir/R4/binary.html#security-context). What is read is looked into;
searches ask the index for the Binaries that name what may be seen (binaries.py), where few resources may be. A Bundle
that is stored, such as a document or a collection, is shown where each resource in it would be, as policies and
Consents go; so are Parameters.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.core.query import All, Clause
from fhir_server.core.values import REFERENCE, SearchValue
from fhir_server.interactions.access.binaries import BINARY
from fhir_server.interactions.access.restriction import Restriction
from fhir_server.search.fields import SECURITY_CONTEXT
from fhir_server.search.holding import Version, holds

HOLDERS = {"Bundle": "entry", "Parameters": "parameter"}  # types that hold resources, and where
LARGE = 100_000  # bytes of one of them that is not looked into by the event loop
ELSEWHERE: tuple[()] = ()  # the context of a Binary that names what is not here

NAMED = b'"securityContext"'  # in the JSON of what names one

Key = tuple[str, str]
Context = Key | tuple[()]
T = TypeVar("T")
Extract = Callable[[dict[str, Any]], list[SearchValue]]
# those of these resources that may be seen, and for which a further restriction holds, where there is one
Seen = Callable[[Iterable[Key], Restriction | None], Awaitable[set[Key]]]


class Contents:
    """For one caller whom something restricts, of a server with these resource types.

    found: of what a search has found, which the restriction may tell of Binaries already.
    """

    def __init__(self, caller: Caller, extract: Extract, types: Collection[str], *, found: bool = False) -> None:
        self.extract = extract
        self._caller = caller
        self._types = types
        self._found = found
        self._reading = caller.reading or caller.restriction
        self._belonging = caller.belonging
        self._inside = caller.inside

    def of_found(self) -> Contents:
        """The same for what a search has found."""
        return Contents(self._caller, self.extract, self._types, found=True)

    def concern(self, type: str) -> bool:
        """Whether resources of a type must be looked into."""
        return (type in HOLDERS and self._inside is not None) or (type == BINARY and self._binaries)

    @cached_property
    def _binaries(self) -> bool:
        if self._found and self._caller.binaries is not None and self._caller.binaries() is not None:
            return False
        limit = self._reading
        return self._belonging is not None or (
            limit is not None and any(limit(each) is not None for each in self._types)
        )

    def meets(self, version: StoredVersion, limit: Clause | None) -> bool:
        """Whether a limit surely holds for a version, be it the newest or an older one, by what it has."""
        if limit is None:
            return True
        return holds(limit, Version(version.type, version.id, self.extract(decode(version.body)))) is True

    def apart(self, type: str, limit: Clause | None) -> Clause | None:
        """What a limit says beside what is looked into: of the Binaries' contexts that the index tells."""
        told = self._caller.binaries() if type == BINARY and self._caller.binaries is not None else None
        if told is None or limit is None:
            return limit
        if isinstance(limit, All):
            return All(tuple([each for each in limit.clauses if each is not told]))
        return None if limit is told else limit

    async def shown(self, versions: list[StoredVersion], seen: Seen) -> list[StoredVersion]:
        """These without what belongs to, or holds, what may not be seen; the same list where nothing goes."""
        if not any(self.concern(version.type) for version in versions):
            return versions
        named = [(each, await self._contexts(each)) for each in versions]
        contexts = {context for _, found in named for context in found if context}
        visible = await seen(contexts, self._belonging) if contexts else set()
        left = [each for each, found in named
                if not self.concern(each.type) or await self._is_open(each, found, visible)]  # fmt: skip
        return left if len(left) < len(versions) else versions

    async def _contexts(self, version: StoredVersion) -> set[Context]:
        """What a Binary belongs to, or those in a Bundle do."""
        if version.type in HOLDERS and self.concern(version.type) and NAMED in version.body:
            return await self._apart(self._contexts_held, version)
        context = context_of(version, self.extract)
        return set() if context is None else {context}

    def _contexts_held(self, bundle: bytes) -> set[Context]:
        held = [each for each in _held(decode(bundle)) if isinstance(each, dict) and each.get("resourceType") == BINARY]
        found = (_context(each, self.extract) for each in held)
        return {context for context in found if context is not None}

    async def _is_open(self, version: StoredVersion, contexts: set[Context], visible: set[Key]) -> bool:
        if version.deleted:
            return False
        if version.type == BINARY and not contexts:
            return self._belonging is None
        if not contexts <= visible:
            return False
        return version.type == BINARY or await self._apart(self._holds_nothing_hidden, version)

    @staticmethod
    async def _apart(look: Callable[[bytes], T], version: StoredVersion) -> T:
        """What is found in a Bundle, by a thread for a large one."""
        return await asyncio.to_thread(look, version.body) if len(version.body) > LARGE else look(version.body)

    def _holds_nothing_hidden(self, bundle: bytes) -> bool:
        return all(map(self._may_be_told, _held(decode(bundle))))

    def _may_be_told(self, resource: Any) -> bool:
        """Whether nothing of a resource is kept from the caller; what can't be told of is kept."""
        type = resource.get("resourceType", "") if isinstance(resource, dict) else ""
        if type not in self._types or self._inside is None:
            return False
        limit = self._inside(type)
        return limit is None or holds(limit, Version(type, resource.get("id", ""), self.extract(resource))) is True


def _held(holder: dict[str, Any]) -> Iterator[Any]:
    """The resources in a Bundle or Parameters, and in such ones in it; what stands in place of one where it was stored
    unchecked."""
    waiting = _listed(holder.get(HOLDERS.get(holder.get("resourceType", ""), "entry")))
    while waiting:
        place = waiting.pop()
        resource = place.get("resource") if isinstance(place, dict) else place
        if isinstance(place, dict):
            waiting += _listed(place.get("part"))
        if resource is not None:
            yield resource
            if isinstance(resource, dict) and resource.get("resourceType") in list(HOLDERS):
                yield from _held(resource)


def _listed(value: Any) -> list[Any]:
    return [*value] if isinstance(value, list) else [] if value is None else [value]


def context_of(version: StoredVersion, extract: Extract) -> Context | None:
    """The resource that a Binary belongs to; ELSEWHERE for what can't be found here, such as an identifier.

    None for other types and for one that names none.
    """
    if version.type != BINARY or NAMED not in version.body:
        return None
    return _context(decode(version.body), extract)


def _context(binary: dict[str, Any], extract: Extract) -> Context | None:
    values = [value for value in extract(binary) if value[1] == SECURITY_CONTEXT.code]
    named = [(value[2], value[3]) for value in values if value[0] == REFERENCE and value[2] != BINARY]
    return named[0] if named else ELSEWHERE if values else None
