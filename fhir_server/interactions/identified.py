"""Resources by their business identifiers: a search that interfaces make for every message."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Query, TokenIn
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.search_pages import search_pages

AT_ONCE = 200  # identifiers in one query, and resources in one page
Identity = tuple[str, str]


async def identified(environment: Environment, wanted: Mapping[str, Sequence[Identity]]) -> list[StoredVersion]:
    """The current resources that have any of the (system, value) wanted of their type, each once.

    As searches by `identifier` find them, but all types are looked for at once and no Bundle is made; those of a type
    that can't be searched by it are left out. Among them may be resources that have what is wanted of another type.
    """
    by_fields: dict[tuple[str, ...], dict[str, Sequence[Identity]]] = {}
    for type, identifiers in wanted.items():
        parameter = environment.searching.fields.of(type).parameters.get("identifier")
        if parameter is not None and identifiers:
            by_fields.setdefault(parameter.fields, {})[type] = identifiers
    found: dict[tuple[str, str], StoredVersion] = {}
    for fields, group in by_fields.items():
        identities = list(dict.fromkeys(one for identifiers in group.values() for one in identifiers))
        for start in range(0, len(identities), AT_ONCE):
            if start:  # others get their turn
                await asyncio.sleep(0)
            query = Query(tuple(group), TokenIn(fields, tuple(identities[start : start + AT_ONCE])), count=AT_ONCE)
            async for page in search_pages(environment.index, query):
                found.update(((version.type, version.id), version) for version in page.matches)
    return list(found.values())
