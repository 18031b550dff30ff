"""Look-ups of current resources on the primary, for all works and searches of this process at one moment together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from bson.raw_bson import RawBSONDocument

from fhir_server.core.lookups import Lookups
from fhir_server.core.mongodb import answering
from fhir_server.storage.mongo.database import Database
from fhir_server.storage.mongo.reads import SHOWN, named

FEW = 4  # documents that share a key of which all are read; an identifier has one

Near = tuple[str, str]  # type, key (keys.py)


class Looking:
    """heads: the document of Type/id; near: those of a type that have a key, at most FEW, None where there are more."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.heads: Lookups[str, RawBSONDocument] = Lookups(self._heads)
        self.near: Lookups[Near, list[Mapping[str, Any]] | None] = Lookups(self._near)

    async def _heads(self, keys: Sequence[str]) -> dict[str, RawBSONDocument]:
        with answering():
            return await named(self._database.raw_resources, keys)

    async def _near(self, asked: Sequence[Near]) -> dict[Near, list[Mapping[str, Any]] | None]:
        by_type: dict[str, list[str]] = defaultdict(list)
        for type, key in asked:
            by_type[type].append(key)
        found: dict[Near, list[Mapping[str, Any]] | None] = {}
        for type, keys in by_type.items():
            for key, documents in (await self._of_type(type, keys)).items():
                found[type, key] = documents if len(documents) <= FEW else None
        return found

    async def _of_type(self, type: str, keys: list[str]) -> dict[str, list[Mapping[str, Any]]]:
        """The documents of each key; where some key may have used up the room of the others, those of each half."""
        resources = self._database.resources
        with answering():
            if len(keys) == 1:
                query = resources.find({"keys": keys[0], "type": type}, SHOWN)
                return {keys[0]: await query.limit(FEW + 1).to_list()}
            limit = FEW * len(keys) + 1
            documents = await resources.find({"keys": {"$in": sorted(keys)}, "type": type}).limit(limit).to_list()
        if len(documents) == limit:
            middle = len(keys) // 2
            return {**await self._of_type(type, keys[:middle]), **await self._of_type(type, keys[middle:])}
        found: dict[str, list[Mapping[str, Any]]] = {key: [] for key in keys}
        for document in documents:
            for key in found.keys() & set(document["keys"]):
                found[key].append(document)
        return found

    async def close(self) -> None:
        """Ends what is under way."""
        await self.heads.close()
        await self.near.close()
