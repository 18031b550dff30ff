"""Changes as messages to a destination: in order, each acknowledged by its own answer, held while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.errors import PASSING, error
from interfaces.hl7v2 import er7
from interfaces.hl7v2.configuration import Destination, Interfaces
from interfaces.hl7v2.interface import Hl7Interface
from interfaces.hl7v2.messages.sqlite.store import SqliteMessageStore
from interfaces.hl7v2.mllp.frames import Frames, framed
from interfaces.hl7v2.outbound.subscribing import ServerChanges, ToMessage
from tests.conftest import Fhir
from tests.unit.interfaces.hl7v2.traffic import SmallTable

pytestmark = pytest.mark.anyio


async def to_message(resource: dict[str, Any], destination: Destination, control: str) -> bytes:
    if resource.get("active") is False:
        raise error("value", "An inactive patient is no message.")
    return f"MSH|^~\\&|HMS|H|||2026||ADT^A08|{control}|P|2.5.1\rPID|1||{resource['id']}\r".encode()


class Receiver:
    """A system that takes messages; answer(message) gives the acknowledgement's code, "" for none."""

    def __init__(self) -> None:
        self.came: list[str] = []
        self.port = 0
        self.answer: Callable[[er7.Message], str] = lambda message: "AA"
        self.before = b""
        self.connections = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        frames = Frames(100_000)
        try:
            while data := await reader.read(1000):
                for frame in frames.feed(data):
                    if frame.content == b"\x06":
                        continue
                    message = er7.parse(frame.content)
                    self.came.append(message.get("PID-3"))
                    code = self.answer(message)
                    if self.before:
                        writer.write(framed(self.before))
                    if code:
                        text = f"MSH|^~\\&|X||HMS|H|2026||ACK|1|P|2.5.1\rMSA|{code}|{message.control_id}\r"
                        writer.write(framed(text.encode()))
        except ConnectionError:
            pass
        self._writers.discard(writer)
        writer.close()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@pytest.fixture
async def opened(fhir: Fhir, tmp_path: Path, receiver: Receiver) -> AsyncIterator[Callable]:
    interfaces: list[Hl7Interface] = []

    async def start(
        subscribe: tuple[str, ...] = ("Patient",), make: ToMessage = to_message, **options: Any
    ) -> Hl7Interface:
        given = {"back_off_seconds": 0.05, "longest_pause_seconds": 0.2, "answer_seconds": 0.3, **options}
        there = Destination(host="127.0.0.1", port=receiver.port, subscribe=subscribe, **given)
        clock = fhir.server.environment.clock
        store = SqliteMessageStore(tmp_path / "hl7.sqlite", clock, synchronous="OFF")
        made = Hl7Interface(
            Interfaces(destination={"adt": there}), store, fhir.server, SmallTable(fhir.server), clock,
            changes=ServerChanges(fhir.server), to_message=make,
        )  # fmt: skip
        await made.start()
        interfaces.append(made)
        for _ in range(100):
            if await store.position("destination adt") >= 0:
                return made
            await asyncio.sleep(0.02)
        raise AssertionError("the destination did not begin")

    yield start
    for each in interfaces:
        await each.stop()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(300):
        if condition():
            return
        await asyncio.sleep(0.02)
    raise AssertionError


async def states(interface: Hl7Interface) -> list[str]:
    return [letter.state for letter in reversed(await interface.store.letters())]


async def settled(interface: Hl7Interface, wanted: list[str]) -> None:
    found: list[str] = []
    for _ in range(300):
        found = await states(interface)
        if found == wanted:
            return
        await asyncio.sleep(0.02)
    assert found == wanted


def patient(id: str, **others: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": id, **others}


async def test_changes_are_sent_in_order_once_each(fhir: Fhir, opened: Callable, receiver: Receiver):
    await fhir.create(patient("before"))
    interface = await opened()
    for number in range(20):
        await fhir.create(patient(f"p{number}"))
    await settled(interface, ["accepted"] * 20)
    assert receiver.came == [f"p{number}" for number in range(20)]
    assert receiver.connections == 1


async def test_a_subscription_has_criteria(fhir: Fhir, opened: Callable, receiver: Receiver):
    await opened(("Observation", "Patient?gender=female"))
    await fhir.create(patient("he", gender="male"))
    await fhir.create(patient("she", gender="female"))
    await until(lambda: receiver.came == ["she"])


async def test_each_version_is_a_message_of_its_own_if_it_is_what_is_wanted(
    fhir: Fhir, opened: Callable, receiver: Receiver
):
    interface = await opened(("Patient?gender=female",))
    for gender in ("female", "male", "female"):
        await fhir.create(patient("p", gender=gender))
        await fhir.create(patient("other", gender="male"))
    await settled(interface, ["accepted", "accepted"])
    assert receiver.came == ["p", "p"]
    assert [letter.key[-1] for letter in await interface.store.letters()] == ["3", "1"]


async def test_a_destination_that_is_away_and_comes_back(fhir: Fhir, opened: Callable, receiver: Receiver):
    interface = await opened(failures=2)
    await receiver.stop()
    for number in range(3):
        await fhir.create(patient(f"p{number}"))
    status = {"circuit": "closed"}
    while status["circuit"] == "closed" or status["letters"] != {"queued": 3}:
        await asyncio.sleep(0.01)
        (status,) = await interface.destinations.status()
    assert status["problem"] and status["failures"] >= 2
    await receiver.start()
    await settled(interface, ["accepted"] * 3)
    assert receiver.came == ["p0", "p1", "p2"]
    (status,) = await interface.destinations.status()
    assert status["circuit"] == "closed"


async def test_without_an_answer_the_connection_is_closed_and_the_message_sent_again(
    fhir: Fhir, opened: Callable, receiver: Receiver
):
    answers = iter(["", "AA", "AA"])
    receiver.answer = lambda message: next(answers)
    interface = await opened()
    await fhir.create(patient("p0"))
    await fhir.create(patient("p1"))
    await settled(interface, ["accepted"] * 2)
    assert receiver.came == ["p0", "p0", "p1"]
    assert receiver.connections == 2
    assert [letter.tries for letter in reversed(await interface.store.letters())] == [2, 1]


async def test_an_answer_to_another_message_is_no_answer(fhir: Fhir, opened: Callable, receiver: Receiver):
    receiver.before = b"MSH|^~\\&|X||HMS|H|2026||ACK|1|P|2.5.1\rMSA|AE|SOMETHING\r"
    interface = await opened()
    await fhir.create(patient("p0"))
    await settled(interface, ["accepted"])


async def test_a_refused_message_is_set_aside_and_can_be_sent_again(fhir: Fhir, opened: Callable, receiver: Receiver):
    receiver.answer = lambda message: "AE" if message.get("PID-3") == "p0" else "AA"
    interface = await opened()
    await fhir.create(patient("p0"))
    await fhir.create(patient("p1"))
    await settled(interface, ["failed", "accepted"])
    receiver.answer = lambda message: "AA"
    await interface.destinations.resend(1)
    await settled(interface, ["accepted", "accepted"])


async def test_or_holds_the_queue_by_setting(fhir: Fhir, opened: Callable, receiver: Receiver):
    receiver.answer = lambda message: "AR" if message.get("PID-3") == "p0" else "AA"
    interface = await opened(refused="hold")
    await fhir.create(patient("p0"))
    await fhir.create(patient("p1"))
    await settled(interface, ["held", "queued"])
    await interface.destinations.drop(1, "they do not want it")
    await settled(interface, ["dropped", "accepted"])


async def test_what_can_not_be_made_is_told_and_holds_nothing_up(fhir: Fhir, opened: Callable, receiver: Receiver):
    interface = await opened()
    await fhir.create(patient("p0", active=False))
    await fhir.create(patient("p1"))
    await settled(interface, ["failed", "accepted"])
    assert (await interface.store.letter(1)).reason == "An inactive patient is no message."


@pytest.mark.parametrize("category", sorted(PASSING))
async def test_what_can_not_be_made_for_now_is_made_later(
    fhir: Fhir, opened: Callable, receiver: Receiver, category: str
):
    problems = [error(category, "Try again.") for _ in range(2)]

    async def make(resource: dict[str, Any], destination: Destination, control: str) -> bytes:
        if problems:
            raise problems.pop()
        return await to_message(resource, destination, control)

    interface = await opened(make=make)
    await fhir.create(patient("p0"))
    await settled(interface, ["accepted"])
    assert (problems, receiver.came) == ([], ["p0"])


async def test_release_2_waits_for_the_commit_acknowledgement(fhir: Fhir, opened: Callable, receiver: Receiver):
    receiver.before = b"\x06"
    interface = await opened(release=2)
    await fhir.create(patient("p0"))
    await settled(interface, ["accepted"])
