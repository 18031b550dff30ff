"""Which changes a Subscription is about, as whoever made it sees the server.

The environment is always the maker's: what its store and its index do not show is matched by nothing, and criteria by
what is hidden are refused.
"""

from __future__ import annotations

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Change
from fhir_server.core.query import All, IdIn, Query
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request
from fhir_server.interactions.required import require
from fhir_server.search.holding import Version, holds

STORED = frozenset({"POST", "PUT", "PATCH"})  # methods that make a version with content


async def query_of(environment: Environment, type: str, pairs: list[tuple[str, str]]) -> Query:
    """The search that criteria are; FhirError where they can't be understood, or the caller may not search so."""
    caller = environment.seen_by
    require(caller, "s", type)
    require(caller, "r", type)
    asked = await environment.searching.query(type, Request("GET", (type,), pairs, caller=caller))
    if caller.masks is not None:
        caller.masks.require_open(asked)
    return asked


async def matching(environment: Environment, query: Query, change: Change) -> bool:
    """Whether the version that a change made matches.

    Where values of that version alone don't tell, as of chains, the resource as it is now is asked of the index.
    """
    if change.method not in STORED:
        return False
    version = await seen(environment, change.type, change.id, change.version)
    if version is None:
        return False
    values = environment.searching.extract(decode(version.body))
    answer = holds(query.where, Version(change.type, change.id, values))
    if answer is None:
        page = await environment.index.search(Query(query.types, All((IdIn((change.id,)), query.where)), count=1))
        answer = bool(page.matches)
    return answer


async def seen(environment: Environment, type: str, id: str, number: int) -> StoredVersion | None:
    """A version with its content, where the caller may see it now; None else."""
    version = await environment.store.read_version(type, id, number)
    return version if version is not None and version.body else None
