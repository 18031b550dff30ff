"""A Subscription that is stored anew while its events are told."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import Fhir
from tests.system.receiver import receiving
from tests.unit.subscriptions.test_refusing import GOOD

pytestmark = pytest.mark.anyio


async def test_what_waits_goes_nowhere_that_is_not_asked_for_any_more(fhir: Fhir) -> None:
    with receiving() as receiver:
        receiver.hold.clear()
        channel = {"type": "rest-hook", "endpoint": f"{receiver.url}/old", "payload": "application/fhir+json"}
        await fhir.create({**GOOD, "id": "s", "channel": channel})
        for id in ("a", "b", "c"):
            await fhir.create({"resourceType": "Patient", "id": id})
        while not receiver.at_once:
            await asyncio.sleep(0.01)
        await fhir.create({**GOOD, "id": "s", "channel": {**channel, "endpoint": f"{receiver.url}/new"}})
        receiver.hold.set()
        await fhir.create({"resourceType": "Patient", "id": "d"})
        came = await asyncio.to_thread(receiver.wait, 1, lambda each: each.path.endswith("/d"))
        assert [each.path for each in came] == ["/fhir/new/Patient/d"]
        assert [each.path for each in receiver.came if "/old/" in each.path] == ["/fhir/old/Patient/a"]
