"""The embedded shelf with an Elasticsearch index over the same resources."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from fhir_server.core.ports import UnitConverter
from fhir_server.core.query import Clause, Near, Page, Query
from fhir_server.core.values import SearchValue
from fhir_server.storage.changes.entries import Entry
from fhir_server.storage.elastic.client import connect
from fhir_server.storage.elastic.digests import Parameters
from fhir_server.storage.elastic.generations import Generations
from fhir_server.storage.elastic.index import ElasticSearchIndex
from fhir_server.storage.elastic.search.clauses import MARGIN
from fhir_server.storage.elastic.writing import Writer
from fhir_server.storage.sqlite.dictionaries import Dictionaries
from fhir_server.storage.sqlite.reads import SqliteReads
from tests.unit.storage.sqlite.oracle import Item, World
from tests.unit.storage.sqlite.shelf import Shelf
from tests.unit.storage.sqlite.world import world_of

T = TypeVar("T")

FIELDS = ["name", "alias", "unknown", "code", "other", "subject", "item", "date", "number", "quantity", "address"]
GROUPS = list(itertools.combinations([*FIELDS, "position"], 2))
_numbers = itertools.count()


class Loop:
    """One event loop and one client for many tests."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner()
        self._url = url

    def __enter__(self) -> Loop:
        self.client = self.run(self._connect())
        return self

    async def _connect(self):
        return connect(self._url)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def __exit__(self, *_: object) -> None:
        self.run(self.client.close())
        self._runner.close()


async def at_once(consumer: str, seconds: float) -> int:
    """Waits for nothing: the shelf has refreshed, so each search sees what none before it has."""
    return next(_numbers)


class ElasticShelf(Shelf):
    """Each put is in both indices at once; pages are those of Elasticsearch."""

    def __init__(self, loop: Loop, converter: UnitConverter | None = None, shards: int = 1) -> None:
        super().__init__(converter)
        self.loop = loop
        self.generations = Generations(loop.client, f"test-{os.getpid()}-{next(_numbers)}", shards=shards)
        loop.run(self.generations.start())
        self.generation = loop.run(self.generations.all())[0]
        self.writer = Writer(loop.client, self.generation, Parameters(lambda _: GROUPS), converter=converter)
        self.embedded = self.index
        self.index = ElasticSearchIndex(
            self.generations, SqliteReads(self.connection, Dictionaries(self.connection)), at_once, converter
        )

    def __enter__(self) -> ElasticShelf:
        return self

    def __exit__(self, *_: object) -> None:
        for generation in self.loop.run(self.generations.look()):
            self.loop.run(self.generations.remove(generation))
        self.loop.run(self.loop.client.indices.delete_index_template(name=self.generations.alias))

    def put(self, type: str, id: str, *values: SearchValue, body: dict | None = None) -> bytes:
        content = super().put(type, id, *values, body=body)
        self._index(self._entry(type, id, values, content))
        return content

    def delete(self, type: str, id: str) -> None:
        super().delete(type, id)
        self._index(self._entry(type, id, None, b""))

    def _entry(self, type: str, id: str, values: Any, body: bytes) -> Entry:
        seq = self.connection.execute("SELECT max(seq) FROM version").fetchone()[0]
        return Entry(type, id, seq, seq, self.rids()[type, id], self.versions[type, id], self.now, values, body)

    def _index(self, *entries: Entry) -> None:
        assert self.loop.run(self.writer.write(entries)) == []
        self.loop.run(self.generations.show(self.writer.consumer))

    def fill(self, shelf: Shelf, world: World) -> None:
        """Takes the resources of a world that another shelf has."""
        self.connection, self.versions = shelf.connection, shelf.versions
        reads = SqliteReads(self.connection, Dictionaries(self.connection))
        self.index = ElasticSearchIndex(self.generations, reads, at_once, shelf.index._converter)
        self._index(
            *(
                Entry(
                    *item_key,
                    item.seq,
                    item.seq,
                    item.rid,
                    self.versions[item_key],
                    item.updated,
                    item.values,
                    item.body,
                )
                for item_key, item in world.items.items()
            )
        )

    def page(self, query: Query) -> Page:
        return self.loop.run(self.index.search(query))

    def count(self, types: tuple[str, ...], where: Clause) -> int:
        return self.loop.run(self.index.count(types, where))


class Nearly(World):
    """A world in which places are two centimetres larger, as Elasticsearch rounds them to a grid."""

    def _near(self, clause: Near, item: Item) -> bool:
        return super()._near(replace(clause, distance=clause.distance + MARGIN), item)


def worlds_of(loop: Loop, number: int) -> list[tuple[ElasticShelf, World]]:
    """So many worlds, each in an index of its own; every third is spread over two shards."""
    found = []
    for seed in range(number):
        embedded, world = world_of(seed, writes=45)
        shelf = ElasticShelf(loop, shards=2 if seed % 3 == 2 else 1)
        shelf.fill(embedded, world)
        found.append((shelf, Nearly(world.items, world.convert)))
    return found
