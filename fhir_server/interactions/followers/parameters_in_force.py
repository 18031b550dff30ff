"""Which custom SearchParameters are in force at a position of the change feed, be it committed yet or not."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import ResourceReads
from fhir_server.definitions import Definitions, SearchParameter
from fhir_server.interactions.followers.parameter_resources import parameter_of

TYPE = "SearchParameter"
PAGE = 100  # versions read at once


class Custom(NamedTuple):
    """A parameter that is in force, with the version of its resource and that version's position in the feed."""

    version: int
    seq: int
    parameter: SearchParameter


class InForce(NamedTuple):
    """head: the newest version of any SearchParameter, None for none; parameters by the id of their resource."""

    head: StoredVersion | None
    parameters: Mapping[str, Custom]

    @property
    def position(self) -> int:
        """How far these follow the feed."""
        return self.head.seq if self.head else 0

    def definitions(self, official: Definitions) -> Definitions:
        """The official parameters with these."""
        found = sorted(self.parameters.values(), key=lambda custom: custom.seq)
        return official.with_search_parameters(tuple(custom.parameter for custom in found)) if found else official


NONE = InForce(None, MappingProxyType({}))


async def follow(reads: ResourceReads, known: InForce, official: Definitions) -> InForce:
    """What is in force now, reading only what has changed since known; known itself where nothing has."""
    page = await reads.history(TYPE, count=PAGE)
    head = page.versions[0] if page.versions else None
    if head == known.head:
        return known
    if known.head and await reads.read_version(TYPE, known.head.id, known.head.version) != known.head:
        known = NONE  # what was known has been rolled back
    changed: dict[str, StoredVersion] = {}
    while page.versions:
        for version in page.versions:
            if version.seq > known.position:
                changed.setdefault(version.id, version)
        if not page.next or page.versions[-1].seq <= known.position:
            break
        page = await reads.history(TYPE, cursor=page.next, count=PAGE)
    parameters = dict(known.parameters)
    for id, version in changed.items():
        parameter = None if version.deleted else parameter_of(decode(version.body), official)
        if parameter is None or official.search_parameter(parameter.url) == parameter:
            parameters.pop(id, None)
        else:
            parameters[id] = Custom(version.version, version.seq, parameter)
    return InForce(head, parameters)
