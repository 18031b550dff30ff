"""The position of the newest version of a type, by one look for all works that ask at that moment."""

from __future__ import annotations

from functools import partial

from fhir_server.core.mongodb import answering
from fhir_server.core.one_look import OneLook
from fhir_server.storage.mongo.database import Documents


class Newest:
    """Looks into `resources`; every write asks, as it has to know the search parameters in force."""

    def __init__(self, resources: Documents) -> None:
        self._resources = resources
        self._looks: dict[str, OneLook[int]] = {}

    async def __call__(self, type: str) -> int:
        """What was committed before this call counts; 0 for none."""
        if type not in self._looks:
            self._looks[type] = OneLook(partial(self._look, type))
        return await self._looks[type]()

    async def _look(self, type: str) -> int:
        with answering():
            document = await self._resources.find_one({"type": type}, {"seq": 1}, sort=[("seq", -1)])
        return int(document["seq"]) if document else 0

    async def close(self) -> None:
        """Ends what is under way."""
        for look in self._looks.values():
            await look.close()
