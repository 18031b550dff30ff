"""Which changes a Subscription is about, as whoever made it sees the server.

The environment is always the maker's: what its store and its index do not show is matched by nothing, and criteria by
what is hidden are refused.
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from fhir_server.codec.json import decode
from fhir_server.core.keys import StoredVersion
from fhir_server.core.ports import Change
from fhir_server.core.query import All, IdIn, Query
from fhir_server.interactions.access.visible import deleted_version
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.request import Request
from fhir_server.interactions.required import require
from fhir_server.search.holding import Version, holds
from fhir_server.subscriptions.store.port import Event
from fhir_server.subscriptions.subscription import Subscription
from fhir_server.subscriptions.topics import QueryCriteria, Topic, Trigger

STORED = frozenset({"POST", "PUT", "PATCH"})  # methods that make a version with content
PASSES = "test-passes"


async def query_of(environment: Environment, type: str, pairs: list[tuple[str, str]]) -> Query:
    """The search that criteria are; FhirError where they can't be understood, or the caller may not search so."""
    caller = environment.seen_by
    require(caller, "s", type)
    require(caller, "r", type)
    asked = await environment.searching.query(type, Request("GET", (type,), pairs, caller=caller))
    if caller.masks is not None:
        caller.masks.require_open(asked)
    return asked


async def seen(environment: Environment, type: str, id: str, number: int) -> StoredVersion | None:
    """A version with its content, where the caller may see it now; None else."""
    version = await environment.store.read_version(type, id, number) if number else None
    return version if version is not None and version.body else None


async def seen_of(environment: Environment, change: Change | Event) -> StoredVersion | None:
    """The version that a change has made, or that a deletion was of, where the caller may see it; None else."""
    if change.method in STORED:
        return await seen(environment, change.type, change.id, change.version)
    if change.method != "DELETE" or change.version < 2:
        return None
    version = await deleted_version(environment, change.type, change.id, change.version - 1)
    return version if version is not None and version.body else None


class Interest:
    """What a Subscription is about. types: those whose changes concern it."""

    def __init__(self, environment: Environment, asked: Subscription, queries: list[Query]) -> None:
        self._environment = environment
        self._topic: Topic | None = asked.topic
        self._queries = queries
        named = tuple(dict.fromkeys(type for query in queries for type in query.types))
        self.types = named or tuple(sorted(asked.topic.types if asked.topic is not None else ()))

    async def has(self, change: Change) -> bool:
        """Whether a change is an event of it."""
        if self._topic is None:
            version = await self._version(change, change.version) if change.method in STORED else None
            return version is not None and await self._matches(version)
        about = await seen_of(self._environment, change)
        if about is None or not await self._matches(about):
            return False
        if change.method == "DELETE":
            interaction, before, now = "delete", about, None
        else:
            before, now = await self._version(change, change.version - 1), about
            interaction = "create" if before is None else "update"
        for trigger in self._topic.triggers(change.type):
            if interaction in trigger.supported_interaction and await self._fires(trigger, interaction, before, now):
                return True
        return False

    async def _version(self, change: Change, number: int) -> StoredVersion | None:
        return await seen(self._environment, change.type, change.id, number)

    async def _matches(self, version: StoredVersion) -> bool:
        """Whether all searches that are about its type hold for a version; where there is none, one for all of it."""
        queries = [query for query in self._queries if version.type in query.types]
        for query in queries or [Query((version.type,), All(()))]:
            if not await matching(self._environment, query, version):
                return False
        return True

    async def _fires(
        self, trigger: Trigger, interaction: str, before: StoredVersion | None, now: StoredVersion | None
    ) -> bool:
        """https://hl7.org/fhir/R4B/subscriptiontopic-definitions.html#SubscriptionTopic.resourceTrigger.queryCriteria"""
        asked: QueryCriteria | None = trigger.query_criteria
        if asked is None or not (asked.previous or asked.current):
            return True
        tests = []
        if asked.previous:
            default = asked.result_for_create == PASSES
            tests.append(default if interaction == "create" else await self._holds(asked.previous, before))
        if asked.current:
            default = asked.result_for_delete == PASSES
            tests.append(default if interaction == "delete" else await self._holds(asked.current, now))
        return all(tests) if asked.require_both else any(tests)

    async def _holds(self, text: str, version: StoredVersion | None) -> bool:
        if version is None:
            return False
        query = await query_of(self._environment, version.type, parse_qsl(text, keep_blank_values=True))
        return await matching(self._environment, query, version)


async def interest_of(environment: Environment, asked: Subscription) -> Interest:
    """What a Subscription is about; FhirError where its maker may not search so."""
    queries = [await query_of(environment, type, pairs) for type, pairs in asked.criteria]
    interest = Interest(environment, asked, queries)
    for type in interest.types:
        require(environment.seen_by, "s", type)
        require(environment.seen_by, "r", type)
    return interest


async def matching(environment: Environment, query: Query, version: StoredVersion) -> bool:
    """Whether a search of the caller's finds a version.

    Where values of that version alone don't tell, as of chains, the resource as it is now is asked of the index.
    """
    limit = environment.seen_by.restriction and environment.seen_by.restriction(version.type)
    where = query.where if limit is None else All((query.where, limit))
    values = environment.searching.extract(decode(version.body))
    answer = holds(where, Version(version.type, version.id, values))
    if answer is None:
        page = await environment.index.search(Query(query.types, All((IdIn((version.id,)), query.where)), count=1))
        answer = bool(page.matches)
    return answer
