"""The feed into a target, whatever the store's pace."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from fhir_server.core.ports import Change
from fhir_server.storage.changes.entries import Entry, Refused
from fhir_server.storage.changes.projector import Projector
from fhir_server.storage.changes.reading import Reading
from tests.contract.conftest import Shelf

pytestmark = pytest.mark.anyio
LEASE = 0.05


class Written:
    """Keeps the ids that it was given."""

    consumer = "written"

    def __init__(self) -> None:
        self.ids: list[str] = []

    async def write(self, entries: Sequence[Entry]) -> list[Refused]:
        self.ids += [entry.id for entry in entries]
        return []


async def test_a_feed_that_takes_longer_to_read_than_a_lease_is_gone_through(shelf: Shelf) -> None:
    await shelf.put({"resourceType": "Patient", "id": "a"})
    changes, target = shelf.store.changes, Written()

    async def slow(after: int, limit: int = 1000) -> list[Change]:
        await asyncio.sleep(LEASE * 2)
        return await changes(after, limit)

    shelf.store.changes = slow
    await Projector(shelf.store, Reading(shelf.store, lambda body: []), target, lease=LEASE).turn()
    assert target.ids == ["a"] and await shelf.store.position("written") > 0
