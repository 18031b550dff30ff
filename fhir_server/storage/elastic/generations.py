"""The indices: one serves searches by the alias; another may be under construction beside it.

    hms-resources-v5            the alias: what searches ask; v5 is the version of the mapping
    hms-resources-v5-000001     a generation

Every generation there is gets all changes, each with a position in the feed of its own, by the identity that
Elasticsearch gives the index: one that was lost and made again, or restored from an old snapshot, begins anew. So
a rebuild is: make a generation, wait until it has caught up, move the alias. A server of the version before and one of
this have an alias each and don't disturb one another.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

import structlog
from elasticsearch import AsyncElasticsearch, BadRequestError, NotFoundError

from fhir_server.storage.changes.entries import Busy
from fhir_server.storage.elastic.mapping import MAPPINGS, VERSION, settings

LOOK_EVERY = 1.0  # seconds for which the answer to what there is is good
CHECKED = ("digest", "token")  # properties by which a mapping is known

log = structlog.get_logger("projector")


class Generation(NamedTuple):
    """One index: its name, what Elasticsearch calls it for itself, and whether searches ask it."""

    name: str
    identity: str
    serving: bool

    @property
    def consumer(self) -> str:
        """Its name as a consumer of the change feed."""
        return f"elasticsearch:{self.identity}"


class Generations:
    """Makes, finds, swaps and removes them. prefix: of every name, to part servers on one cluster."""

    def __init__(
        self,
        client: AsyncElasticsearch,
        prefix: str = "hms",
        *,
        shards: int = 1,
        replicas: str = "0-1",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.client = client
        self.alias = f"{prefix}-resources-v{VERSION}"
        self._settings = settings(shards, replicas)
        self._monotonic = monotonic
        self._every: list[Generation] = []  # that there are, whatever their mapping
        self._known: list[Generation] = []  # those of them that are fed and asked
        self._fitting: set[str] = set()  # identities of those that have this program's mapping
        self.strangers: list[str] = []  # names of those that have another mapping
        self._looked = float("-inf")

    async def start(self) -> None:
        """Makes the first generation where there is none; many workers may do this at once."""
        await self._put_template()
        if not any(generation.serving for generation in await self.look()):
            await self._create(f"{self.alias}-000001", serving=True)
            await self.look()

    async def all(self) -> list[Generation]:
        """Those there are, as of at most a second ago."""
        if self._monotonic() - self._looked > LOOK_EVERY:
            await self.look()
        return self._known

    async def serving(self) -> Generation | None:
        """The one that searches ask; None where there is none."""
        return next((generation for generation in await self.all() if generation.serving), None)

    async def look(self) -> list[Generation]:
        """Those there are now."""
        found = await self.client.indices.get(
            index=f"{self.alias}-*", features="aliases,settings", filter_path="*.aliases,*.settings.index.uuid"
        )
        self._every = [
            Generation(name, index["settings"]["index"]["uuid"], self.alias in index["aliases"])
            for name, index in sorted(found.items())
        ]
        self._known = [each for each in self._every if await self._fits(each)]
        strangers = [each.name for each in self._every if each not in self._known]
        if strangers and strangers != self.strangers:
            log.error("an index has another mapping", index=strangers, remedy="hms reindex makes one; remove this one")
        self.strangers = strangers
        self._looked = self._monotonic()
        return self._known

    async def _fits(self, generation: Generation) -> bool:
        """Whether an index was made by this program: one that another made would take documents and find none."""
        if generation.identity not in self._fitting:
            shown = ",".join(("*.mappings.dynamic", *(f"*.mappings.properties.{name}.type" for name in CHECKED)))
            found = await self.client.indices.get_mapping(index=generation.name, filter_path=shown)
            mapping = found.get(generation.name, {}).get("mappings", {})
            wanted = {"dynamic": MAPPINGS["dynamic"], "properties": {name: {"type": "keyword"} for name in CHECKED}}
            if mapping != wanted:
                return False
            self._fitting.add(generation.identity)
        return True

    async def add(self) -> Generation:
        """A new empty generation beside the others."""
        await self._put_template()
        await self.look()
        endings = [each.name.rpartition("-")[2] for each in self._every]
        numbers = [int(ending) for ending in endings if ending.isdecimal()]
        name = f"{self.alias}-{max(numbers, default=0) + 1:06d}"
        await self._create(name, serving=False)
        return next(each for each in await self.look() if each.name == name)

    async def swap(self, to: Generation) -> list[Generation]:
        """Searches ask this one from now on; returns those that they asked until now."""
        before = [each for each in await self.look() if each.serving and each != to]
        aliased = [each.name for each in self._every if each.serving and each.name != to.name]
        actions = [{"remove": {"index": name, "alias": self.alias}} for name in aliased]
        await self.client.indices.update_aliases(actions=[*actions, {"add": {"index": to.name, "alias": self.alias}}])
        await self.look()
        return before

    async def show(self, consumer: str) -> None:
        """Lets searches of a generation see what was written to it before this call."""
        name = next((each.name for each in await self.all() if each.consumer == consumer), None)
        if name is not None:
            done = await self.client.indices.refresh(
                index=name, filter_path="_shards.failed,_shards.failures.reason.type"
            )
            if done["_shards"]["failed"]:  # a copy that still answers would miss what the others show
                raise Busy(f"not shown everywhere: {str(done['_shards'].get('failures'))[:200]}")

    async def remove(self, generation: Generation) -> None:
        """Deletes an index that no search asks any more."""
        await self.client.indices.delete(index=generation.name, ignore_unavailable=True)
        await self.look()

    async def _put_template(self) -> None:
        name = self.alias
        try:
            kept = await self.client.indices.get_index_template(name=name, filter_path="**.version")
            if kept["index_templates"][0]["index_template"]["version"] == VERSION:
                return
        except (NotFoundError, KeyError):
            pass
        await self.client.indices.put_index_template(
            name=name,
            index_patterns=[f"{self.alias}-*"],
            version=VERSION,
            priority=500,
            allow_auto_create=False,  # a bulk that comes late must not bring back an index that was removed
            template={"settings": {"index": self._settings}, "mappings": MAPPINGS},
        )

    async def _create(self, name: str, serving: bool) -> None:
        try:
            await self.client.indices.create(index=name, aliases={self.alias: {}} if serving else None)
        except BadRequestError as problem:
            if problem.error != "resource_already_exists_exception":
                raise
