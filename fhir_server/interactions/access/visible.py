"""The server as a restricted caller sees it: the ports of an Environment, narrowed.

Interactions and operations ask the store and the index of the Environment that they are given, so what a caller may not
see isn't there for any of them: not for reads, searches, counts, history, operations or the criteria of conditional
interactions. Writes must leave what may be seen: neither what a caller can't see can be changed, nor can a version be
written that the caller could not read back. Where a type has a restriction, its deletions can't be seen, and of the old
versions those only for which the restriction held (a record that once was another patient's).

What policies hide of resources that may be seen is hidden here, too, and what is written keeps it (masks.py).

An open caller has no restriction, nor has one whose scopes have everything while policies and Consents take nothing:
they get the ports of the Environment itself.
"""

from __future__ import annotations

from typing import Any

from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import OPEN, Caller
from fhir_server.core.query import Clause, IdIn, Not
from fhir_server.interactions.access.contents import BINARY, HOLDERS, Contents
from fhir_server.interactions.access.policy_parameters import TYPE as PARAMETER
from fhir_server.interactions.access.visible_index import VisibleIndex
from fhir_server.interactions.access.visible_reads import VisibleReads
from fhir_server.interactions.access.visible_transaction import VisibleStore
from fhir_server.interactions.access.vocabulary import VisibleVocabulary, hidden_vocabulary, limits_of
from fhir_server.interactions.environment import Environment


def sees_all(caller: Caller, type: str, interaction: str = "r") -> bool:
    """Whether a caller who may read, r, or search, s, a type at all may see every resource of it whole."""
    limit = caller.restriction if interaction == "s" else caller.reading or caller.restriction
    if caller.own and type == PARAMETER:
        return False
    return caller.masks is None and (limit is None or (limit(type) is None and type not in (BINARY, *HOLDERS)))


def keeps_some(environment: Environment, type: str) -> bool:
    """Whether some resources of a type may be kept from the caller whose view of the server it is."""
    caller = environment.seen_by
    limit = caller.restriction
    return limit is not None and (limit(type) is not None or contents_of(environment, caller).concern(type))


def contents_of(environment: Environment, caller: Caller) -> Contents:
    """What no clause tells of what a restricted caller may see."""
    return Contents(caller, environment.searching.extract, environment.definitions.resource_types)


def environment_of(environment: Environment, caller: Caller) -> Environment:
    """The environment that a caller's interactions work with."""
    if caller is OPEN or environment.seen_by is caller:
        return environment
    seen = environment.seen_as(caller)
    restriction = caller.restriction
    if restriction is None:
        return _without_own(environment, seen, caller) if caller.own else seen
    contents = contents_of(environment, caller)
    seen.index = VisibleIndex(environment.index, restriction, contents, caller.masks)
    seen.store = VisibleStore(environment.store, environment.index, caller, contents)
    limits = limits_of(caller)
    if limits and environment.terminology is not None:
        vocabulary = VisibleVocabulary(environment.terminology, lambda: hidden_vocabulary(environment.index, limits))
        seen.searching = environment.searching.with_terminology(vocabulary)
    return _view_of(environment, seen)


def _without_own(environment: Environment, seen: Environment, caller: Caller) -> Environment:
    """What an unrestricted caller sees: everything but the SearchParameters that the server keeps for itself."""
    kept = Not(IdIn(caller.own))

    def restriction(type: str) -> Clause | None:
        return kept if type == PARAMETER else None

    contents = contents_of(environment, caller)
    limited = caller._replace(restriction=restriction)
    seen.index = VisibleIndex(environment.index, restriction, contents)
    seen.store = VisibleStore(environment.store, environment.index, limited, contents)
    return _view_of(environment, seen)


def _view_of(environment: Environment, seen: Environment) -> Environment:
    seen.whole = environment
    outdated = environment.outdated  # the search parameters in force are those of the whole store
    seen.outdated = outdated and (lambda inside: outdated(getattr(inside, "whole", inside)))
    return seen


async def deleted_version(environment: Environment, type: str, id: str, number: int) -> StoredVersion | None:
    """The version before a deletion, where the caller whose view it is could see it as things are now; None else."""
    store: Any = environment.store
    if isinstance(store, VisibleReads):
        return await store.deleted_version(type, id, number)
    return await store.read_version(type, id, number)
