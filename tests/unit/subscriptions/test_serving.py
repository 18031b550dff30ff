"""A Subscription while its events are found and told."""

from __future__ import annotations

import asyncio

import pytest

from fhir_server.core.errors import error
from fhir_server.core.ports import Change
from fhir_server.subscriptions.matching import Interest
from tests.conftest import Fhir
from tests.system.receiver import receiving
from tests.unit.subscriptions.test_refusing import GOOD, GUIDE

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


async def test_where_a_change_can_not_be_looked_at_those_before_it_come_once(
    fhir: Fhir, monkeypatch: pytest.MonkeyPatch
) -> None:
    has, looked = Interest.has, []

    async def away_at_first(interest: Interest, change: Change) -> bool:
        looked.append(change.id)
        if looked == ["a", "b"]:
            raise error("unavailable", "The store is away.")
        return await has(interest, change)

    monkeypatch.setattr(Interest, "has", away_at_first)
    with receiving() as receiver:
        channel = {"type": "rest-hook", "endpoint": receiver.url, "payload": "application/fhir+json"}
        await fhir.create({**GOOD, "id": "s", "channel": channel})
        patients = [{"resourceType": "Patient", "id": id} for id in ("a", "b")]
        entries = [
            {"resource": each, "request": {"method": "PUT", "url": f"Patient/{each['id']}"}} for each in patients
        ]
        await fhir.post("", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
        while len(looked) < 2:
            await asyncio.sleep(0.01)
        await fhir.create({"resourceType": "Patient", "id": "c"})
        came = await asyncio.to_thread(receiver.wait, 3)
    assert [each.json["id"] for each in came] == ["a", "b", "c"]


async def test_an_endpoint_that_is_named_during_the_handshake_of_another_gets_its_own(fhir: Fhir) -> None:
    with receiving() as receiver:
        receiver.hold.clear()
        content = [{"url": f"{GUIDE}backport-payload-content", "valueCode": "empty"}]
        filters = [{"url": f"{GUIDE}backport-filter-criteria", "valueString": "Patient"}]
        topic = {**GOOD, "id": "s", "criteria": "urn:hms:topic:stored", "_criteria": {"extension": filters}}
        channel = {"type": "rest-hook", "payload": "application/fhir+json", "_payload": {"extension": content}}
        await fhir.create({**topic, "channel": {**channel, "endpoint": f"{receiver.url}/old"}})
        while not receiver.at_once:
            await asyncio.sleep(0.01)
        await fhir.create({**topic, "channel": {**channel, "endpoint": f"{receiver.url}/new"}})
        receiver.hold.set()
        await fhir.create({"resourceType": "Patient", "id": "a"})
        came = await asyncio.to_thread(receiver.wait, 2, lambda each: each.path.endswith("/new"))
    assert [b"handshake" in each.body for each in came] == [True, False]
