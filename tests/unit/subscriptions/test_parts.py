"""A server that stops while it delivers."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.core.settings import Settings
from fhir_server.subscriptions.store.sqlite import FILE_NAME, SqliteSubscriptions
from tests.conftest import running
from tests.system.receiver import receiving
from tests.unit.subscriptions.test_refusing import GOOD

pytestmark = [pytest.mark.anyio, pytest.mark.embedded("reads the file of the store")]


async def test_what_is_under_way_has_not_failed(settings: Settings) -> None:
    with receiving() as receiver:
        receiver.hold.clear()
        async with running(settings) as fhir:
            channel = {"type": "rest-hook", "endpoint": receiver.url, "payload": "application/fhir+json"}
            await fhir.create({**GOOD, "id": "s", "channel": channel})
            await fhir.create({"resourceType": "Patient", "id": "p"})
            while not receiver.at_once:
                await asyncio.sleep(0.01)
    kept = SqliteSubscriptions(settings.data / FILE_NAME)
    state = await kept.state("s")
    await kept.close()
    assert state is not None
    assert (state.number, state.delivered, state.failures, state.problem) == (1, 0, 0, "")
