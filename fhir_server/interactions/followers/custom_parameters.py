"""SearchParameter resources that take effect (https://hl7.org/fhir/R4/searchparameter.html).

An active SearchParameter with an expression is in force as soon as it is stored: every write that comes after it in the
change feed is indexed by it, whatever worker it came to; searches know it in every worker of the machine at once, in
those of other machines within a second. What was stored before is indexed in the background along the change feed; the
position is durable, so a restart goes on where it was. Until then a search by it says that it is still being indexed.
The position is of one version in the feed, and is forgotten once that is in force no more.

What is indexed beside R4's parameters (search/fields.py, UNASKED) is in force always; what a program stored that did
not index it yet, is indexed in the same way.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Set
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Transaction
from fhir_server.core.repeats import Repeats
from fhir_server.core.tasks import end
from fhir_server.definitions import SearchParameter
from fhir_server.interactions.environment import Environment, Searching
from fhir_server.interactions.followers.parameters_in_force import NONE, TYPE, Custom, InForce, follow
from fhir_server.interactions.followers.reindexing import reindex_page
from fhir_server.search.fields import UNASKED

LOOK_EVERY = 1.0  # seconds between looks for changes by other workers
LEASE = 20.0  # seconds that one worker has the indexing to itself without renewing
NAMED = "search-parameter:"  # how the names begin by which the feed keeps how far the indexing of a parameter is
UNTIL = " until"  # after a name: where the feed was when a program first ran here that indexes each write by it

log = structlog.get_logger("search-parameters")


class Progress(NamedTuple):
    """How far the indexing of a parameter is: positions in the change feed."""

    url: str
    position: int
    target: int


class CustomParameters:
    """Keeps environment.searching in step with the SearchParameter resources in the store."""

    types = (TYPE,)

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self._official = environment.definitions
        self._known = NONE
        self._inside = (self._known, environment.searching)  # as a transaction saw them that was not in step
        self._building: dict[str, Progress] = {}
        self._types: dict[str, tuple[str, ...]] = {}
        self._unasked: dict[str, tuple[SearchParameter, int]] = {}  # by name, with the position to index up to
        self._task: asyncio.Task | None = None
        self._told_already = Repeats()
        self._owner = f"{os.getpid()}-{environment.clock()}"

    async def start(self) -> None:
        """Loads what is stored and goes on looking."""
        for parameter in chain.from_iterable(UNASKED.values()):
            name = f"{NAMED}{parameter.url}|1"
            self._unasked[name] = parameter, await self._until(name)
        await self._take_in(await follow(self._environment.store, self._known, self._official))
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Ends the background work; it goes on from its durable position at the next start."""
        await end(self._task)

    def progress(self) -> list[Progress]:
        """The parameters that are still being indexed."""
        return list(self._building.values())

    async def refresh(self) -> None:
        """Puts the stored parameters in force if any has changed since the last look."""
        known = await follow(self._environment.store, self._known, self._official)
        if known is self._known:
            if self._building:
                await self._look_how_far()
            return
        await self._take_in(known)

    async def _take_in(self, known: InForce) -> None:
        """Puts parameters in force."""
        self._known = known
        found = {_name(each): each for each in known.parameters.values()}
        wanted = {name: (each.parameter, each.seq) for name, each in found.items()}
        building: dict[str, Progress] = {}
        for name, (parameter, target) in {**self._unasked, **wanted}.items():
            position = await self._environment.feed.position(name)
            if not position and name in found:
                position = await self._position_of_older(name, found[name])
            if position < target:
                building[name] = Progress(parameter.url, position, target)
                self._types[name] = parameter.base
        self._building = building
        self._put_in_force()
        with suppress(FhirError):  # such as a full disk: the next start or change forgets them
            await self._forget_others({*self._unasked, *(name + UNTIL for name in self._unasked), *found})

    async def _position_of_older(self, name: str, custom: Custom) -> int:
        """Where an older program, which kept it by the resource's version, has indexed all that there was; else 0."""
        feed = self._environment.feed
        position = await feed.position(f"{NAMED}{custom.parameter.url}|{custom.version}")
        if position < custom.seq:
            return 0
        with suppress(FhirError):
            await feed.advance(name, position)
        return position

    async def _forget_others(self, names: Set[str]) -> None:
        """Forgets how far the indexing was of what is in force no more; not of what this process has not seen yet."""
        feed = self._environment.feed
        others = set(await feed.consumers_named(NAMED)) - names
        over = [name for name in others if _seq_of(name) <= self._known.position]
        if over:
            await feed.forget(over)

    async def _until(self, name: str) -> int:
        """The position up to which there may be what an older program has stored."""
        feed = self._environment.feed
        until = await feed.position(name + UNTIL)
        if until:
            return until
        head = await feed.head()
        until = head or 1
        with suppress(FhirError):  # such as a full disk: a later start keeps it
            if not head:  # nothing of an older program
                await feed.advance(name, until)
            await feed.advance(name + UNTIL, until)
        return until

    async def _look_how_far(self) -> None:
        """Takes note of what another worker has indexed meanwhile."""
        done = [
            name
            for name, progress in list(self._building.items())
            if await self._environment.feed.position(name) >= progress.target
        ]
        for name in done:
            self._building.pop(name, None)
        if done:
            self._put_in_force()

    def _put_in_force(self) -> None:
        environment = self._environment
        environment.searching = environment.searching.with_definitions(
            self._known.definitions(self._official),
            frozenset(progress.url for progress in self._building.values()),
            self._known.position,
        )
        environment.kept.clear()

    async def searching_in(self, transaction: Transaction) -> Searching:
        """As a transaction sees the parameters, where that is not what is in force in this process.

        Another worker may have stored one a moment ago, or another write of the same commit.
        """
        before, searching = self._inside
        found = await follow(transaction.reads, before, self._official)
        if found.parameters != before.parameters:
            searching = searching.with_definitions(found.definitions(self._official), frozenset(), found.position)
        self._inside = (found, searching)
        return searching

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(0.01 if self._building else LOOK_EVERY)
            try:
                await self.refresh()
                if self._building:
                    await self._build()
            except Exception as problem:  # whatever it is, nothing else would go on
                self._told_already.tell(log, "indexing waits", problem)
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
            self._building.pop(name, None)
            self._put_in_force()
            if self._environment.following is not None:
                self._environment.following.tell()
            log.info("search parameter indexed", url=progress.url)
        elif name in self._building:
            self._building[name] = progress._replace(position=position)


def _name(custom: Custom) -> str:
    """Of a version: another resource with this URL, or this one stored again after an erasure, is indexed anew."""
    return f"{NAMED}{custom.parameter.url}@{custom.seq}"


def _seq_of(name: str) -> int:
    """The position in the feed of the version that a name is of, 0 for one that an older program gave."""
    seq = name.rpartition("@")[2]
    return int(seq) if seq.isdecimal() else 0
