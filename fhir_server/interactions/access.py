"""Where a caller's restriction meets an interaction: one place, so that nothing can be forgotten.

An open caller has none and costs nothing. A restricted one gets a Clause by type: it is added to queries, and a version
that is read by its id must be a current resource for which it holds.
"""

from __future__ import annotations

from dataclasses import replace

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.core.query import All, Any, IdIn, Query, TypeIn
from fhir_server.interactions.environment import Environment


def restrict(caller: Caller, query: Query) -> Query:
    """The query with what its caller may see of each type."""
    if caller.restriction is None:
        return query
    limits = []
    for type in query.types:
        limit = caller.restriction(type)
        limits.append(TypeIn((type,)) if limit is None else All((TypeIn((type,)), limit)))
    return replace(query, where=All((query.where, Any(tuple(limits)))), restriction=caller.restriction)


async def require_visible(environment: Environment, caller: Caller, version: StoredVersion) -> None:
    """Answers like a resource that isn't there where the caller may not see it."""
    limit = caller.restriction(version.type) if caller.restriction else None
    if limit is None:
        return
    if not await environment.index.count((version.type,), All((IdIn((version.id,)), limit))):
        raise error("not-found", f"There is no {version.type}/{version.id} here.")
