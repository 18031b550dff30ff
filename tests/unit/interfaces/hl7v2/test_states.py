"""What becomes of a message: tries, waiting, a person's corrections, and that it is applied once whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from fhir_server.core.errors import FhirError, error
from interfaces.hl7v2 import worker
from interfaces.hl7v2.applying import Applying
from interfaces.hl7v2.configuration import Interfaces, Listener, Sender
from interfaces.hl7v2.messages.message import Message
from interfaces.hl7v2.messages.port import Wanted
from tests.conftest import Fhir
from tests.unit.interfaces.hl7v2.conftest import Open
from tests.unit.interfaces.hl7v2.traffic import Station, code, message

pytestmark = pytest.mark.anyio

HOUR = 3600 * 1_000_000


async def until(station: Station, wanted: Callable[[list[str]], bool]) -> list[str]:
    """The states, once they are as wanted."""
    for _ in range(300):
        states = await station.states()
        if wanted(states):
            return states
        await asyncio.sleep(0.02)
    raise AssertionError(states)


async def test_a_fault_that_passes_holds_the_message_not_the_sender_of_another(station: Station):
    station.table.away = True
    async with station.client() as client, station.client() as other:
        await client.send(message("1", "A"))
        await asyncio.sleep(0.05)
        station.table.away = False
        assert code(await other.ask(message("2", "B"))) == "AA"
        assert code(await client.next()) == "AA"


async def test_a_look_that_goes_on_failing_is_told_once_with_what_is_wrong(
    station: Station, monkeypatch: pytest.MonkeyPatch
):
    asked = 0

    async def full(*_: object) -> list[Message]:
        nonlocal asked
        asked += 1
        raise error("no-store", "The message store's disk is full")

    monkeypatch.setattr(worker, "LOOK_SECONDS", 0.001)
    with capture_logs() as lines:
        with monkeypatch.context() as while_full:
            while_full.setattr(station.interface.store, "claim", full)
            async with asyncio.timeout(10):
                while asked < 5:
                    await asyncio.sleep(0.001)
        async with station.client() as client:
            assert code(await client.ask(message("1"))) == "AA"
        async with asyncio.timeout(10):
            while len(lines) < 2:
                await asyncio.sleep(0.001)
    told = [(line["event"], line["look"], line.get("problem")) for line in lines]
    assert told == [
        ("hl7 worker's look failed", "claim", "The message store's disk is full"),
        ("hl7 worker's look goes on", "claim", None),
    ]


async def test_a_sender_that_is_not_answered_in_time_sends_again_and_is(open_station: Open):
    station = await open_station(Interfaces(listener={"lab": Listener(port=0, answer_seconds=0.2)}))
    station.table.gate = asyncio.Event()
    async with station.client() as client:
        assert await client.ask(message("1")) == b""
    station.table.gate.set()
    async with station.client() as client:
        assert code(await client.ask(message("1"))) == "AA"
    assert station.table.seen == ["1"]


async def test_results_wait_for_the_patient_and_follow_it_in_order(fhir: Fhir, open_station: Open):
    policies = {"default": Sender(unknown_patient="wait")}
    station = await open_station(Interfaces(listener={"lab": Listener(port=0)}, sender=policies))
    async with station.client() as client:
        assert [code(await client.ask(message(n, "A"))) for n in "12"] == ["AA", "AA"]
        assert await station.states() == ["waiting", "waiting"]
        assert await fhir.ids("Patient") == []
        assert code(await client.ask(message("3", "A", kind="ADT^A01", values=()))) == "AA"
        await until(station, lambda states: set(states) == {"done"})
        assert station.table.seen == ["1", "2", "3", "1", "2"]
        assert code(await client.ask(message("4", "A"))) == "AA"
    assert (await station.states())[3] == "done"
    assert [step.state for step in (await station.interface.desk.show(1)).steps] == [
        "received", "translating", "waiting", "received", "translating", "done",
    ]  # fmt: skip


async def test_by_policy_an_unknown_patient_is_a_failure(open_station: Open):
    policies = {"default": Sender(unknown_patient="fail")}
    station = await open_station(Interfaces(listener={"lab": Listener(port=0)}, sender=policies))
    async with station.client() as client:
        answer = await client.ask(message("1", "A"))
    assert code(answer) == "AE" and b"204^Unknown key identifier" in answer


async def test_what_waits_too_long_fails(open_station: Open):
    policies = {"default": Sender(unknown_patient="wait", wait_hours=1)}
    station = await open_station(Interfaces(listener={"lab": Listener(port=0)}, sender=policies))
    async with station.client() as client:
        await client.ask(message("1", "A"))
        station.interface.clock = lambda: station.server.environment.clock() + 2 * HOUR
        await station.interface.tidy()
        found = await station.interface.desk.show(1)
        assert (found.state, found.reason) == ("failed", "its patient did not come within 1 hours")
        await client.ask(message("2", "A", kind="ADT^A01", values=()))
    assert await station.states() == ["failed", "done"]


async def test_a_failed_message_is_corrected_and_the_first_bytes_are_kept(fhir: Fhir, station: Station):
    async with station.client() as client:
        bad = message("1", patient="")
        assert code(await client.ask(bad)) == "AE"
        await station.interface.desk.correct(1, message("1", patient="A"), "the number was missing")
        await station.interface.worker.look()
        await until(station, lambda states: states == ["done"])
        found = await station.interface.desk.show(1)
        assert (found.revision, found.attempt, found.patients) == (1, 1, ("A",))
        assert await station.interface.desk.raw(1, 0) == bad
        assert await station.interface.desk.raw(1) == message("1", patient="A")
        assert [step.reason for step in found.steps if step.state == "received"][1] == (
            "corrected: the number was missing"
        )
    assert len(await fhir.ids("Observation")) == 1


async def test_a_failed_message_is_dismissed_with_a_reason(station: Station):
    async with station.client() as client:
        await client.ask(message("1", patient=""))
    desk = station.interface.desk
    with pytest.raises(FhirError, match="with a reason"):
        await desk.dismiss(1, " ")
    await desk.dismiss(1, "a test of the sender's")
    assert (await desk.show(1)).reason == "dismissed: a test of the sender's"
    with pytest.raises(FhirError, match="only failed and waiting"):
        await desk.dismiss(1, "again")
    with pytest.raises(FhirError, match="There is no message 9"):
        await desk.replay(9)


async def test_a_range_is_replayed_in_order(station: Station):
    async with station.client() as client:
        for number in range(6):
            await client.ask(message(str(number), "A"))
    station.table.seen.clear()
    assert await station.interface.desk.replay_range(Wanted(after=1, before=6), "tables changed") == 4
    await station.interface.worker.look()
    await until(station, lambda states: set(states) == {"done"})
    assert station.table.seen == ["1", "2", "3", "4"]


async def test_a_replay_updates_what_the_message_made(fhir: Fhir, station: Station):
    async with station.client() as client:
        await client.ask(message("1"))
        await station.interface.desk.replay(1)
        await station.interface.worker.look()
        await until(station, lambda states: states == ["done"])
    (observation,) = await fhir.ids("Observation")
    assert (await fhir.get(f"Observation/{observation}")).json()["meta"]["versionId"] == "2"
    assert len(await fhir.ids("Provenance")) == 2


async def test_what_a_message_made_is_known_after_it_was_applied_anew(station: Station):
    async with station.client() as client:
        await client.ask(message("1"))
    before = (await station.interface.desk.show(1)).links
    await station.interface.desk.correct(1, message("1", patient=""))
    await station.interface.worker.look()
    await until(station, lambda states: states == ["failed"])
    assert (await station.interface.desk.show(1)).links == before
    await station.interface.desk.correct(1, message("1", patient="B"))
    await station.interface.worker.look()
    await until(station, lambda states: states == ["done"])
    after = (await station.interface.desk.show(1)).links
    assert before[0] in after and len(after) == len({link.split("/_history")[0] for link in (*before, *after)})


async def test_a_crash_between_commit_and_state_applies_nothing_twice(fhir: Fhir, station: Station):
    """What kill -9 leaves: the FHIR transaction is there, the store still says translating."""
    async with station.client() as client:
        await client.ask(message("1"))
    kept = await station.interface.desk.show(1)
    head = await fhir.server.environment.feed.head()
    applying = Applying(station.interfaces, fhir.server, station.table, fhir.server.environment.clock)
    for again in (True, False):  # false: a worker that was stopped and goes on, though another took its message over
        outcome = await applying.apply(kept, message("1"), again)
        assert (outcome.state, outcome.code, outcome.answer) == ("done", "AA", kept.answer)
        assert {link.split("/")[0] for link in outcome.links} == {"Patient", "Observation"}
    assert await fhir.server.environment.feed.head() == head


async def test_a_store_that_was_lost_does_not_make_a_message_new(fhir: Fhir, open_station: Open):
    one, two = await open_station(), await open_station()
    answers = []
    for station in (one, two):
        async with station.client() as client:
            answers.append(await client.ask(message("1")))
    assert [code(answer) for answer in answers] == ["AA", "AA"]
    assert len(await fhir.ids("Provenance")) == 1


async def test_a_server_that_fails_again_and_again_fails_the_message(station: Station, monkeypatch):
    async def perform(request):
        raise error("exception", "The server failed to answer.")

    monkeypatch.setattr("interfaces.hl7v2.worker.LONGEST_PAUSE", 0.01)
    broken: Any = type("Broken", (), {"perform": staticmethod(perform)})()
    station.interface.worker._applying._client = broken
    async with station.client() as client:
        assert code(await client.ask(message("1"))) == "AE"
    assert await station.states() == ["failed"]


async def test_old_messages_are_removed_by_setting(open_station: Open):
    station = await open_station(Interfaces(listener={"lab": Listener(port=0)}, done_days=1))
    async with station.client() as client:
        await client.ask(message("1"))
        await client.ask(message("2", patient=""))
    station.interface.clock = lambda: station.server.environment.clock() + 25 * HOUR
    await station.interface.tidy()
    assert await station.states() == ["failed"]
    assert await station.interface.store.raw(1) == b""


async def test_the_store_is_found_as_it_was_after_a_restart(open_station: Open):
    station = await open_station()
    station.table.gate = asyncio.Event()
    async with station.client() as client:
        await client.send(message("1", accept="AL"))
        assert code(await client.next()) == "CA"
    await station.interface.worker.stop(0)
    station.table.gate.set()
    station.interface = station.made()
    await station.interface.start()
    await until(station, lambda states: states == ["done"])


def test_the_id_of_a_provenance_is_made_of_the_message_alone():
    made = Message(
        7, "lab", "LAB|H", "1", "ORU^R01", "2.5", "ab", (), 3, 0, "done", 0, ""
    )  # fmt: skip
    assert made.provenance == msgspec.structs.replace(made, id=8, received=99, source="folder").provenance
    assert made.provenance != msgspec.structs.replace(made, attempt=1).provenance
    assert len(made.provenance) <= 64
