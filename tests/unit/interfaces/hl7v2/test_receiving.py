"""A listener over a real socket: what comes is kept, applied and answered."""

from __future__ import annotations

import asyncio
import gc

import pytest

from interfaces.hl7v2 import er7
from interfaces.hl7v2.configuration import Interfaces, Listener, Sender
from interfaces.hl7v2.mllp.frames import framed
from tests.conftest import Fhir
from tests.unit.interfaces.hl7v2.conftest import Open
from tests.unit.interfaces.hl7v2.traffic import Station, code, message

pytestmark = pytest.mark.anyio


async def test_a_result_is_committed_before_it_is_accepted(fhir: Fhir, station: Station):
    async with station.client() as client:
        answer = er7.parse(await client.ask(message("1", values=("1", "2", "3"))))
    assert (answer.get("MSA-1"), answer.get("MSA-2"), answer.get("MSH-9.2")) == ("AA", "1", "R01")
    assert (answer.get("MSH-3"), answer.get("MSH-5"), answer.version) == ("HMS", "LAB", "2.5.1")
    assert len(await fhir.ids("Observation")) == 3
    found = await station.interface.desk.show(1)
    assert found.state == "done"
    assert [link.split("/")[0] for link in found.links] == ["Patient", *["Observation"] * 3]
    assert [step.state for step in found.steps] == ["received", "translating", "done"]
    provenance = (await fhir.get(f"Provenance/{found.provenance}")).json()
    assert len(provenance["target"]) == 4


async def test_a_duplicate_gets_the_first_answer_and_changes_nothing(fhir: Fhir, station: Station):
    async with station.client() as client:
        first = await client.ask(message("1"))
        head = await fhir.server.environment.feed.head()
        assert await client.ask(message("1")) == first
    assert await fhir.server.environment.feed.head() == head
    assert await station.states() == ["done"]


async def test_a_duplicate_of_a_message_under_way_waits_for_its_answer(station: Station):
    station.table.gate = asyncio.Event()
    async with station.client() as one, station.client() as two:
        await one.send(message("1"))
        await two.send(message("1"))
        await asyncio.sleep(0.05)
        station.table.gate.set()
        assert await one.next() == await two.next()
    assert station.table.seen == ["1"]


async def test_the_same_control_id_with_other_content_is_an_alarm_and_applied(station: Station):
    async with station.client() as client:
        assert [code(await client.ask(message("1", values=(value,)))) for value in "12"] == ["AA", "AA"]
    assert [(await station.interface.desk.show(id)).alarm for id in (1, 2)] == [False, True]


async def test_by_policy_it_is_refused(open_station: Open):
    policies = {"default": Sender(same_id="refuse")}
    station = await open_station(Interfaces(listener={"lab": Listener(port=0)}, sender=policies))
    async with station.client() as client:
        assert code(await client.ask(message("1", values=("1",)))) == "AA"
        answer = er7.parse(await client.ask(message("1", values=("2",))))
    assert answer.get("MSA-1") == "AE"
    assert (answer.get("ERR-2"), answer.get("ERR-2.3"), answer.get("ERR-3.1")) == ("MSH", "10", "205")
    found = await station.interface.desk.show(2)
    assert (found.state, found.alarm) == ("failed", True)


async def test_several_messages_in_one_packet_are_answered_in_order(station: Station):
    async with station.client() as client:
        await client.write(b"".join(framed(message(str(n), str(n % 3))) for n in range(50)))
        answers = [er7.parse(await client.next()) for _ in range(50)]
    assert [answer.get("MSA-2") for answer in answers] == [str(n) for n in range(50)]
    assert {answer.get("MSA-1") for answer in answers} == {"AA"}


async def test_one_byte_at_a_time(station: Station):
    async with station.client() as client:
        for byte in framed(message("1")):
            await client.write(bytes([byte]))
        assert code(await client.next()) == "AA"


async def test_junk_line_feeds_and_an_end_without_its_return(station: Station):
    async with station.client() as client:
        await client.write(b"junk\r\n\x0b" + message("1").replace(b"\r", b"\n") + b"\x1c")
        assert code(await client.next()) == "AA"
        await client.write(b"\x0b" + message("2").replace(b"\r", b"\r\n") + b"\x1c\r\n")
        assert code(await client.next()) == "AA"


async def test_half_a_message_and_then_the_end_is_nothing(station: Station):
    async with station.client() as client:
        await client.write(framed(message("1"))[:40])
    async with station.client() as client:
        assert code(await client.ask(message("1"))) == "AA"
    assert await station.states() == ["done"]


async def test_half_a_message_and_then_silence_holds_nobody_up(open_station: Open):
    station = await open_station(Interfaces(listener={"lab": Listener(port=0, frame_seconds=0.3)}))
    async with station.client() as slow, station.client() as client:
        await slow.write(framed(message("9"))[:40])
        assert code(await client.ask(message("1"))) == "AA"
        assert await slow.next() == b""


async def test_who_reads_no_answer_is_closed(open_station: Open):
    station = await open_station(Interfaces(listener={"lab": Listener(port=0, answer_seconds=0.5, pipelined=1)}))
    async with station.client(limit=1024) as client:
        await client.send(message("1" * 16_000_000, processing="X"))  # its answer is as long
        await client.send(message("2"))
        async with asyncio.timeout(60):
            while len(await station.states()) < 1 or station.interface.listeners[0].connections:
                await asyncio.sleep(0.05)


async def test_what_is_late_on_a_connection_that_has_ended_troubles_nobody(open_station: Open):
    station = await open_station(Interfaces(listener={"lab": Listener(port=0, answer_seconds=0.1)}))
    station.table.gate = asyncio.Event()
    async with station.client() as client:
        await client.write(framed(message("1")) + framed(message("2")) + framed(message("3")))
        assert await client.next() == b""
    await asyncio.sleep(0.3)
    gc.collect()  # a failure that was never looked at would be told now, and fail the test
    station.table.gate.set()


async def test_a_frame_over_the_limit_is_answered_and_the_next_is_taken(open_station: Open):
    station = await open_station(Interfaces(listener={"lab": Listener(port=0, max_bytes=20_000)}))
    async with station.client() as client:
        answer = er7.parse(await client.ask(message("1") + b"NTE|1||" + b"x" * 50_000 + b"\r"))
        assert (answer.get("MSA-1"), answer.get("MSA-2")) == ("AE", "1")
        assert "50," in answer.get("ERR-8")
        assert code(await client.ask(message("2"))) == "AA"


async def test_what_is_no_message_is_rejected_and_kept(station: Station):
    async with station.client() as client:
        answer = er7.parse(await client.ask(b"hello"))
    assert (answer.get("MSA-1"), answer.get("ERR-3.1")) == ("AE", "100")
    assert await station.interface.desk.raw(1) == b"hello"


@pytest.mark.parametrize(
    ("sent", "expected", "number", "place"),
    [
        (message("1", kind="ZZZ^Z01"), "AR", "200", "MSH"),
        (message("1", patient=""), "AE", "100", "PID"),
        (message("1").replace(b"DOE^JANE", b"BAD"), "AE", "207", ""),
        (message("1", values=("NaN",)), "AE", "102", ""),
    ],
)
async def test_why_a_message_is_not_applied(station: Station, sent: bytes, expected: str, number: str, place: str):
    async with station.client() as client:
        answer = er7.parse(await client.ask(sent))
    assert answer.get("MSA-1") == expected
    assert answer.get("ERR-2") == place
    if number != "102":
        assert answer.get("ERR-3.1") == number
    assert await station.states() == ["failed"]


async def test_a_processing_id_that_is_not_taken(open_station: Open):
    policies = {"LAB|H": Sender(processing=("P",))}
    station = await open_station(Interfaces(listener={"lab": Listener(port=0)}, sender=policies))
    async with station.client() as client:
        answer = er7.parse(await client.ask(message("1", processing="T")))
    assert (answer.get("MSA-1"), answer.get("ERR-3.1")) == ("AR", "202")


@pytest.mark.parametrize("version", ["2.1", "2.3", "2.4", "2.9", ""])
async def test_the_answer_is_in_the_version_of_the_message(station: Station, version: str):
    async with station.client() as client:
        good = er7.parse(await client.ask(message("1", version=version)))
        bad = er7.parse(await client.ask(message("2", patient="", version=version)))
    assert good.version == (version or "2.5.1")
    old = version in ("2.1", "2.3", "2.4")
    assert (bad.get("ERR-1.1"), bad.get("ERR-2")) == (("PID", "") if old else ("", "PID"))


async def test_the_answer_is_in_the_character_set_of_the_message(station: Station):
    sent = message("1", patient="7", kind="ZÄZ^Z01", charset="8859/1").decode().encode("latin-1")
    async with station.client() as client:
        answer = await client.ask(sent)
    assert "ZÄZ".encode("latin-1") in answer
    assert er7.parse(answer).get("MSH-18") == "8859/1"


async def test_other_separators(station: Station):
    sent = message("1", patient="").replace(b"|", b"#").replace(b"^~\\&", b"$%!@").replace(b"^", b"$")
    async with station.client() as client:
        answer = er7.parse(await client.ask(sent))
    assert (answer.get("MSA-2"), answer.get("ERR-2")) == ("1", "PID")
    assert answer.encode().startswith(b"MSH#$%!@#")


async def test_release_2_confirms_each_frame_once_it_is_kept(open_station: Open):
    station = await open_station(Interfaces(listener={"lab": Listener(port=0, release=2)}))
    async with station.client() as client:
        assert await client.ask(message("1")) == b"\x06"
        assert code(await client.next()) == "AA"
        await client.send(b"\x06")
        assert await client.ask(message("2")) == b"\x06"
        assert code(await client.next()) == "AA"
