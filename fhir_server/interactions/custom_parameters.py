"""SearchParameter resources that take effect (https://hl7.org/fhir/R4/searchparameter.html).

An active SearchParameter with an expression is in force as soon as it is stored, in every worker within a second. What
was stored before is indexed in the background along the change feed; the position is durable, so a restart goes on
where it was. Until then a search by it says that it is still being indexed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any, NamedTuple

import structlog

from fhir_server.codec.json import decode
from fhir_server.core.errors import FhirError, Issue
from fhir_server.core.query import EVERYTHING, Query
from fhir_server.definitions import Definitions, SearchParameter
from fhir_server.fhirpath import FhirPathError, compile_path
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.reindexing import reindex_page

LOOK_EVERY = 1.0  # seconds between looks for changes by other workers
LEASE = 20.0  # seconds that one worker has the indexing to itself without renewing
LIMIT = 1000  # custom parameters

log = structlog.get_logger("search-parameters")


class Progress(NamedTuple):
    """How far the indexing of a parameter is: positions in the change feed."""

    url: str
    position: int
    target: int


class CustomParameters:
    """Keeps environment.searching in step with the SearchParameter resources in the store."""

    types = ("SearchParameter",)

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._official = environment.definitions
        self._newest = -1
        self._building: dict[str, Progress] = {}
        self._found: tuple[SearchParameter, ...] = ()
        self._types: dict[str, tuple[str, ...]] = {}
        self._task: asyncio.Task | None = None
        self._owner = f"{os.getpid()}-{environment.clock()}"

    async def start(self) -> None:
        """Loads what is stored and goes on looking."""
        await self.refresh()
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the background work; it goes on from its durable position at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def progress(self) -> list[Progress]:
        """The parameters that are still being indexed."""
        return list(self._building.values())

    async def refresh(self) -> None:
        """Puts the stored parameters in force if any has changed since the last look."""
        page = await self._environment.store.history("SearchParameter", count=1)
        newest = page.versions[0].seq if page.versions else 0
        if newest == self._newest:
            return
        self._newest = newest
        found: list[SearchParameter] = []
        building: dict[str, Progress] = {}
        stored = await self._environment.index.search(Query(("SearchParameter",), EVERYTHING, count=LIMIT))
        for version in stored.matches:
            parameter = parameter_of(decode(version.body), self._official)
            if parameter is None or self._official.search_parameter(parameter.url) == parameter:
                continue
            found.append(parameter)
            name = f"search-parameter:{parameter.url}|{version.version}"
            position = await self._environment.feed.position(name)
            if position < version.seq:
                building[name] = Progress(parameter.url, position, version.seq)
                self._types[name] = parameter.base
        self._building = building
        self._found = tuple(found)
        self._put_in_force(self._found)

    def _put_in_force(self, found: tuple[SearchParameter, ...]) -> None:
        environment = self._environment
        definitions = self._official.with_search_parameters(found) if found else self._official
        environment.searching = environment.searching.with_definitions(
            definitions, frozenset(progress.url for progress in self._building.values())
        )
        environment.kept.clear()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.01 if self._building else LOOK_EVERY)
            try:
                await self.refresh()
                if self._building:
                    await self._build()
            except FhirError as problem:
                log.warning("indexing waits", problem=str(problem))
                await asyncio.sleep(LOOK_EVERY)

    async def _build(self) -> None:
        """One page of the first parameter that is not indexed yet, if no other worker does it."""
        name, progress = next(iter(self._building.items()))
        feed = self._environment.feed
        if not await feed.lease(name, self._owner, LEASE):
            await asyncio.sleep(LOOK_EVERY)
            position = await feed.position(name)
        else:
            types = self._types[name]
            anything = "Resource" in types or "DomainResource" in types
            position = await reindex_page(self._environment, progress.position, None if anything else types)
            await feed.advance(name, position)
        if position >= progress.target:
            del self._building[name]
            self._put_in_force(self._found)
            log.info("search parameter indexed", url=progress.url)
        else:
            self._building[name] = progress._replace(position=position)


def parameter_of(resource: dict[str, Any], definitions: Definitions) -> SearchParameter | None:
    """The search parameter that a resource defines; None where it is not active or has no expression."""
    from fhir_server.definitions.compile import compile_search_parameter

    if resource.get("status") != "active" or not resource.get("expression") or issues_of(resource, definitions):
        return None
    return compile_search_parameter(resource)


def issues_of(resource: dict[str, Any], definitions: Definitions) -> list[Issue]:
    """What keeps an active SearchParameter from taking effect, for the one who stores it."""
    from fhir_server.definitions.compile import compile_search_parameter

    if resource.get("status") != "active" or not resource.get("expression"):
        return []
    issues = []
    compiled = compile_search_parameter(resource)
    for base, branches in compiled.branches.items():
        if base not in definitions.types:
            issues.append(_issue(f"base '{base}' is no resource type", "base"))
        for branch in branches:
            try:
                compile_path(branch, definitions, base)
            except FhirPathError as problem:
                issues.append(_issue(f"the expression can't be used on {base}: {problem}", "expression"))
    if not compiled.branches:
        issues.append(_issue("the expression starts at none of the base types", "expression"))
    return issues


def _issue(what: str, element: str) -> Issue:
    return Issue(
        "error", "invalid", f"This SearchParameter is active, but {what}. Correct it or make it a draft.",
        f"SearchParameter.{element}",
    )  # fmt: skip
