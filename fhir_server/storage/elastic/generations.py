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
from collections.abc import Callable, Sequence
from typing import NamedTuple

import structlog
from elasticsearch import AsyncElasticsearch, BadRequestError, NotFoundError

from fhir_server.storage.changes.entries import Busy
from fhir_server.storage.elastic.mapping import MAPPINGS, VERSION, settings

LOOK_EVERY = 1.0  # seconds for which the answer to what there is is good
CLOSED = "verified_before_close"  # a setting that closed indices have
SHOWN = f"*.aliases,*.settings.index.uuid,*.settings.index.{CLOSED}"
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
        self.strangers: list[str] = []  # names of those that have another mapping,
        self.closed: list[str] = []  # and of those that are closed
        self._last = 0  # the highest number that one had
        self._looked = float("-inf")

    async def start(self) -> None:
        """Has a generation serve where none does; many workers may do this at once.

        One that has lost the alias gets it again, the oldest of several, as the others are under construction. Else a
        new one is made, by a name that none had before: who still takes the one before for there is refused. What has
        the alias and can't be asked is left to whoever runs the server.
        """
        await self._put_template()
        known = await self.look()
        if any(each.serving for each in self._every):
            return
        if known:
            log.warning("no index had the alias", alias=self.alias, given_to=known[0].name)
            await self._give_alias(known[0].name)
        else:
            await self._create(self._next_name(), serving=True)
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
            index=f"{self.alias}-*", features="aliases,settings", filter_path=SHOWN, expand_wildcards="open,closed"
        )
        self._every = [
            Generation(name, index["settings"]["index"]["uuid"], self.alias in index["aliases"])
            for name, index in sorted(found.items())
        ]
        endings = [each.name.rpartition("-")[2] for each in self._every]
        self._last = max([self._last, *(int(ending) for ending in endings if ending.isdecimal())])
        self.closed = [name for name, index in sorted(found.items()) if CLOSED in index["settings"]["index"]]
        self._known = [each for each in self._every if each.name not in self.closed and await self._fits(each)]
        known = {each.name for each in self._known}
        strangers = [each.name for each in self._every if each.name not in known and each.name not in self.closed]
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
        name = self._next_name()
        await self._create(name, serving=False)
        return next(each for each in await self.look() if each.name == name)

    async def swap(self, to: Generation) -> list[Generation]:
        """Searches ask this one from now on; returns those that they asked until now."""
        before = [each for each in await self.look() if each.serving and each.name != to.name]
        aliased = [each.name for each in self._every if each.serving and each.name != to.name]
        await self._give_alias(to.name, aliased)
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

    async def _give_alias(self, to: str, taken_from: Sequence[str] = ()) -> None:
        actions = [{"remove": {"index": name, "alias": self.alias}} for name in taken_from]
        await self.client.indices.update_aliases(actions=[*actions, {"add": {"index": to, "alias": self.alias}}])

    def _next_name(self) -> str:
        return f"{self.alias}-{self._last + 1:06d}"

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
