"""Where a caller's restriction meets an interaction: one place, so that nothing can be forgotten.

An open caller has none and costs nothing. A restricted one gets a Clause by type: it is added to queries, and a version
that is read by its id must be a current resource for which it holds.
"""

from __future__ import annotations

from fhir_server.core.errors import error
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Caller
from fhir_server.core.query import All, Clause, IdIn
from fhir_server.interactions.environment import Environment


def restricted(caller: Caller, type: str, where: Clause) -> Clause:
    """The clause with what the caller may see of the type."""
    limit = caller.restriction(type) if caller.restriction else None
    return where if limit is None else All((where, limit))


async def require_visible(environment: Environment, caller: Caller, version: StoredVersion) -> None:
    """Answers like a resource that isn't there where the caller may not see it."""
    limit = caller.restriction(version.type) if caller.restriction else None
    if limit is None:
        return
    if not await environment.index.count((version.type,), All((IdIn((version.id,)), limit))):
        raise error("not-found", f"There is no {version.type}/{version.id} here.")
