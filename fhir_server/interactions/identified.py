"""Resources by their business identifiers: a search that interfaces make many times for every message."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from fhir_server.core.keys import StoredVersion
from fhir_server.core.query import Query, TokenIn
from fhir_server.interactions.environment import Environment

AT_ONCE = 200  # identifiers in one query, and resources in one page


async def identified(
    environment: Environment, type: str, identifiers: Sequence[tuple[str, str]]
) -> list[StoredVersion]:
    """The current resources of a type that have any of these (system, value), each once.

    As a search by `identifier` finds them, without the Bundle that one is answered by; [] for a type that can't be
    searched by it.
    """
    parameter = environment.searching.fields.of(type).parameters.get("identifier")
    found: dict[str, StoredVersion] = {}
    for start in range(0, len(identifiers) if parameter else 0, AT_ONCE):
        assert parameter is not None
        if start:  # others get their turn
            await asyncio.sleep(0)
        where = TokenIn(parameter.fields, tuple(identifiers[start : start + AT_ONCE]))
        query = Query((type,), where, count=AT_ONCE)
        while True:
            page = await environment.index.search(query)
            found.update((version.id, version) for version in page.matches)
            if not page.next:
                break
            query = replace(query, cursor=page.next)
    return list(found.values())
