"""Original and enhanced mode (HL7 v2.9 chapter 2.9), batches, and answers by another connection."""

from __future__ import annotations

import asyncio

import pytest

from interfaces.hl7v2 import er7
from interfaces.hl7v2.configuration import Destination, Interfaces, Listener, Sender
from interfaces.hl7v2.mllp.frames import Frames
from tests.unit.interfaces.hl7v2.conftest import Open
from tests.unit.interfaces.hl7v2.traffic import Station, code, message

pytestmark = pytest.mark.anyio

GOOD, BAD = "100", ""


@pytest.mark.parametrize(
    ("accept", "application", "patient", "expected"),
    [
        ("AL", "AL", GOOD, ["CA", "AA"]),
        ("AL", "NE", GOOD, ["CA"]),
        ("YES", "SURE", GOOD, ["CA", "AA"]),
        ("AL", "", GOOD, ["CA"]),
        ("NE", "AL", GOOD, ["AA"]),
        ("NE", "NE", GOOD, []),
        ("ER", "ER", GOOD, []),
        ("ER", "ER", BAD, ["AE"]),
        ("SU", "SU", GOOD, ["CA", "AA"]),
        ("SU", "SU", BAD, ["CA"]),
        ("AL", "ER", BAD, ["CA", "AE"]),
    ],
)
async def test_enhanced_mode(station: Station, accept: str, application: str, patient: str, expected: list[str]):
    async with station.client() as client:
        await client.send(message("1", patient=patient, accept=accept, application=application))
        assert [code(await client.next()) for _ in expected] == expected
        assert await client.silent(0.1)


async def test_the_accept_acknowledgement_does_not_wait_for_the_translation(station: Station):
    station.table.gate = asyncio.Event()
    async with station.client() as client:
        assert code(await client.ask(message("1", accept="AL", application="AL"))) == "CA"
        assert await client.silent()
        station.table.gate.set()
        assert code(await client.next()) == "AA"


async def test_a_message_that_can_not_be_kept_as_it_is_is_rejected(open_station: Open):
    station = await open_station(
        Interfaces(listener={"lab": Listener(port=0)}, sender={"default": Sender(processing=("P",))})
    )
    async with station.client() as client:
        answer = er7.parse(await client.ask(message("1", processing="D", accept="AL")))
    assert (answer.get("MSA-1"), answer.get("ERR-3.1")) == ("CR", "202")


async def test_a_duplicate_in_enhanced_mode(station: Station):
    sent = message("1", accept="AL", application="AL")
    async with station.client() as client:
        first = [await client.ask(sent), await client.next()]
        assert [await client.ask(sent), await client.next()] == first
    assert station.table.seen == ["1"]


async def test_answers_may_go_to_a_destination(open_station: Open):
    came: list[bytes] = []

    async def other(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames(10_000)
        while data := await reader.read(1000):
            came.extend(frame.content for frame in frames.feed(data))
        writer.close()

    server = await asyncio.start_server(other, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    station = await open_station(
        Interfaces(
            listener={"lab": Listener(port=0)},
            sender={"LAB|H": Sender(reply="back")},
            destination={"back": Destination(host="127.0.0.1", port=port)},
        )
    )
    async with station.client() as client:
        assert code(await client.ask(message("1", accept="AL", application="AL"))) == "CA"
        assert await client.silent(0.1)
    for _ in range(200):
        await asyncio.sleep(0.02)
        if came:
            break
    assert [code(answer) for answer in came] == ["AA"]
    server.close()


@pytest.mark.parametrize(
    ("separators", "sender"),
    [("|ABCD", "LAB"), ("|^~1&", "LAB"), ("|^^\\&", "LAB"), ("#A~\\&", "L|B"), ("^ABCD", "LAB"), ("|A", "LAB")],
)
async def test_the_answer_to_unusable_separators_can_be_read(station: Station, separators: str, sender: str):
    field = separators[0]
    sent = field.join(["MSH", separators[1:], sender, "H", "HMS", "H", "2026", "", "ADT", "c1", "P", "2.5.1"])
    async with station.client() as client:
        answer = er7.parse(await client.ask(sent.encode() + b"\r"))
    assert (answer.get("MSH-1"), answer.get("MSH-2")) == ("|", "^~\\&")
    assert answer.get("MSA-1") in ("AE", "AR")
    assert (answer.get("MSA-2"), answer.get("MSH-5")) == ("c1", sender)


async def test_an_acknowledgement_is_not_acknowledged(station: Station):
    async with station.client() as client:
        await client.send(b"MSH|^~\\&|LAB|H|HMS|H|2026||ACK^A01|7|P|2.5\rMSA|AA|1\r")
        assert await client.silent(0.1)
    assert await station.states() == ["ignored"]


async def test_by_policy_a_kept_message_is_accepted_at_once(open_station: Open):
    station = await open_station(
        Interfaces(listener={"lab": Listener(port=0)}, sender={"default": Sender(answer="stored")})
    )
    station.table.gate = asyncio.Event()
    async with station.client() as client:
        assert code(await client.ask(message("1"))) == "AA"
    station.table.gate.set()


async def test_messages_that_a_policy_ignores_are_accepted(open_station: Open):
    station = await open_station(
        Interfaces(listener={"lab": Listener(port=0)}, sender={"default": Sender(ignore=("ADT^A20", "ORM"))})
    )
    async with station.client() as client:
        kinds = ("ADT^A20", "ORM^O01", "ORU^R01")
        assert [code(await client.ask(message(kind, kind=kind))) for kind in kinds] == ["AA"] * 3
    assert await station.states() == ["ignored", "ignored", "done"]


def batch(count: str, *messages: bytes) -> bytes:
    return b"BHS|^~\\&|LAB|H|HMS|H|2026||||B1\r" + b"".join(messages) + f"BTS|{count}\r".encode()


async def test_a_batch_in_one_frame_is_answered_by_a_batch(station: Station):
    async with station.client() as client:
        answer = er7.parse(await client.ask(batch("2", message("1"), message("2", patient=""))))
    assert [segment.name for segment in answer.segments] == ["BHS", "MSH", "MSA", "MSH", "MSA", "ERR", "BTS"]
    assert [segment.value(1) for segment in answer.all("MSA")] == ["AA", "AE"]
    assert (answer.get("BHS-12"), answer.get("BTS-1")) == ("B1", "2")
    assert [found.batch for found in await station.interface.desk.list(_all())] == ["B1", "B1"]


@pytest.mark.parametrize("count", ["3", "x", "1"])
async def test_nothing_of_a_batch_with_a_wrong_count_is_applied(station: Station, count: str):
    async with station.client() as client:
        answer = er7.parse(await client.ask(batch(count, message("1"), message("2"))))
    assert {segment.value(1) for segment in answer.all("MSA")} == {"AE"}
    assert answer.get("ERR-2") == "BTS"
    assert station.table.seen == []
    assert await station.states() == ["failed", "failed"]


async def test_a_batch_without_its_end_is_not_applied(station: Station):
    async with station.client() as client:
        cut = batch("2", message("1"), message("2")).split(b"BTS")[0]
        assert er7.parse(await client.ask(cut)).get("ERR-3.1") == "100"
    assert station.table.seen == []


@pytest.mark.parametrize("accept", ["", "AL"])
async def test_a_batch_that_was_refused_is_applied_once_it_comes_whole(station: Station, accept: str):
    messages = [message(number, accept=accept, application=accept) for number in "12"]
    async with station.client() as client:
        for _ in range(2):
            refused = er7.parse(await client.ask(batch("3", *messages)))
            assert [segment.value(1) for segment in refused.all("MSA")] == ["CE" if accept else "AE"] * 2
        whole = er7.parse(await client.ask(batch("2", *messages)))
        assert [segment.value(1) for segment in whole.all("MSA")] == ["CA" if accept else "AA"] * 2
        if accept:
            assert (await client.next()).count(b"MSA|AA") == 2
        again = er7.parse(await client.ask(batch("2", *messages)))
        assert [segment.value(1) for segment in again.all("MSA")] == ["CA" if accept else "AA"] * 2
    assert await station.states() == ["done", "done"] and station.table.seen == ["1", "2"]


async def test_what_was_refused_is_refused_again(station: Station):
    refused = message("1", processing="X", accept="AL", application="NE")
    async with station.client() as client:
        assert [code(await client.ask(refused)) for _ in range(2)] == ["CR", "CR"]


async def test_a_file_of_batches(station: Station):
    file = b"FHS|^~\\&|LAB|H\r" + batch("1", message("1")) + batch("2", message("2"), message("3")) + b"FTS|2\r"
    async with station.client() as client:
        answer = er7.parse(await client.ask(file))
    assert [segment.value(1) for segment in answer.all("MSA")] == ["AA"] * 3
    assert (answer.segments[0].name, answer.segments[-1].name) == ("FHS", "FTS")


async def test_a_file_and_the_batch_in_it_are_answered_by_their_own_numbers(station: Station):
    file = b"FHS|^~\\&|LAB|H|||||||F1\r" + batch("1", message("1")) + b"FTS|1\r"
    async with station.client() as client:
        answer = er7.parse(await client.ask(file))
    assert (answer.get("FHS-12"), answer.get("BHS-12")) == ("F1", "B1")


async def test_several_messages_in_one_frame_without_a_batch(station: Station):
    async with station.client() as client:
        answer = er7.parse(await client.ask(message("1") + message("2")))
    assert [segment.value(2) for segment in answer.all("MSA")] == ["1", "2"]


def _all():
    from interfaces.hl7v2.messages.port import Wanted

    return Wanted()
