"""Messages of one patient in order, different patients side by side, over one worker and several."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import pytest

from interfaces.hl7v2 import worker as module
from interfaces.hl7v2.applying import Applying
from interfaces.hl7v2.messages.message import lanes_of
from tests.conftest import Fhir
from tests.unit.interfaces.hl7v2.conftest import Open
from tests.unit.interfaces.hl7v2.traffic import SmallTable, Station, code, connected, message

pytestmark = pytest.mark.anyio


class Slow(SmallTable):
    """Notes when each message begins and ends, under its patient."""

    def __init__(self, server) -> None:
        super().__init__(server)
        self.running: set[str] = set()
        self.together = 0
        self.order: dict[str, list[str]] = defaultdict(list)

    async def translate(self, raw, header, sender, strict):
        patient = raw.split(b"PID|1||")[1].split(b"^")[0].decode()
        assert patient not in self.running
        self.running.add(patient)
        self.together = max(self.together, len(self.running))
        await asyncio.sleep(0.002)
        self.order[patient].append(header.control)
        self.running.discard(patient)
        return await super().translate(raw, header, sender, strict)


def slowed(station: Station) -> Slow:
    table = Slow(station.server)
    worker = station.interface.worker
    worker._applying = Applying(station.interfaces, station.server, table, station.server.environment.clock)
    return table


async def test_a_hundred_patients_over_eight_connections(fhir: Fhir, station: Station):
    table = slowed(station)

    async def send(part: int) -> None:
        async with station.client() as client:
            for turn in range(3):
                for patient in range(part, 100, 8):
                    assert code(await client.ask(message(f"{patient}-{turn}", f"P{patient}"))) == "AA"

    await asyncio.gather(*(send(part) for part in range(8)))
    assert all(table.order[f"P{n}"] == [f"{n}-0", f"{n}-1", f"{n}-2"] for n in range(100))
    assert table.together > 2
    assert len(await fhir.ids("Patient?_count=100")) == 100


async def test_one_patient_over_a_pipeline_stays_in_order(station: Station):
    table = slowed(station)
    async with station.client() as client:
        for number in range(40):
            await client.send(message(str(number), "P1", accept="AL", application="NE"))
        for _ in range(40):
            assert code(await client.next()) == "CA"
    for _ in range(200):
        await asyncio.sleep(0.02)
        if len(table.order["P1"]) == 40:
            break
    assert table.order["P1"] == [str(number) for number in range(40)]


async def test_a_message_about_two_patients_waits_for_both(station: Station):
    station.table.gate = asyncio.Event()
    async with station.client() as client:
        await client.send(message("1", "A", accept="AL"))
        await client.send(message("2", "B", accept="AL"))
        await client.send(message("3", "A", kind="ADT^A40", values=(), accept="AL") + b"MRG|B^^^H^MR\r")
        await client.send(message("4", "B", accept="AL"))
        for _ in range(4):
            await client.next()
        await asyncio.sleep(0.05)
        assert station.table.seen == ["1", "2"]
        station.table.gate.set()
        for _ in range(100):
            await asyncio.sleep(0.02)
            if len(station.table.seen) == 4:
                break
    assert station.table.seen == ["1", "2", "3", "4"]


async def test_two_workers_share_the_work_and_keep_the_order(open_station: Open):
    one = await open_station()
    two = Station(one.server, one.data)
    two.interface.worker.name += "-two"
    await two.interface.start()
    tables = slowed(one), slowed(two)
    tables[1].order = tables[0].order
    tables[1].running = tables[0].running

    async def send(patient: int) -> None:
        ports = one.port, two.port
        async with connected(ports[0]) as first, connected(ports[1]) as second:
            for turn in range(6):
                client = (first, second)[(turn + patient) % 2]
                assert code(await client.ask(message(f"{patient}-{turn}", f"P{patient}"))) == "AA"

    await asyncio.gather(*(send(patient) for patient in range(12)))
    await two.interface.stop()
    assert all(tables[0].order[f"P{n}"] == [f"{n}-{turn}" for turn in range(6)] for n in range(12))
    assert tables[0].seen and tables[1].seen


async def test_what_a_dead_worker_had_is_another_ones(open_station: Open):
    one = await open_station()
    one.table.gate = asyncio.Event()
    async with one.client() as client:
        await client.send(message("1"))
        await asyncio.sleep(0.05)
        two = Station(one.server, one.data)
        two.interface.worker.name = two.interface.worker.name.replace("/", "/1", 1)
        await one.interface.store.alive(one.interface.worker.name, 0)
        await two.interface.start()
        for _ in range(200):
            await asyncio.sleep(0.02)
            if two.table.seen:
                break
        await asyncio.sleep(0.1)
        assert await two.states() == ["done"]
        one.table.gate.set()
        assert code(await client.next()) == "AA"
    assert [found.reason for found in await two.interface.desk.list(_all())] == [""]
    head = await one.server.environment.feed.head()
    await two.interface.stop()
    assert head == 3  # patient, observation, provenance, once


def test_a_number_has_the_same_lane_everywhere():
    assert lanes_of(("100",), "A") == lanes_of(("100",), "B")
    assert lanes_of((), "A") != lanes_of((), "B")


def _all():
    from interfaces.hl7v2.messages.port import Wanted

    return Wanted()


async def accepted(station: Station, count: int, name: str = "E") -> None:
    """Sends messages that are answered as soon as they are kept, each of a patient of its own."""
    async with station.client() as client:
        for number in range(count):
            sent = message(f"{name}{number}", f"{name}{number}", accept="AL", application="NE")
            assert code(await client.ask(sent)) == "CA"


async def all_done(station: Station) -> None:
    """Waits until every message is applied."""
    while set(await station.states()) != {"done"}:
        await asyncio.sleep(0.01)


async def test_where_brisk_answers_wait_for_no_application_one_is_applied_at_a_time(station: Station, monkeypatch):
    monkeypatch.setattr(module, "SPAN", 60)
    monkeypatch.setattr(module, "GIVES_WAY", 60)
    await accepted(station, module.BRISK)
    await all_done(station)
    table = slowed(station)
    await accepted(station, 12, "F")
    await all_done(station)
    assert table.together == 1


async def test_one_that_takes_long_does_not_hold_those_behind_it(station: Station, monkeypatch):
    monkeypatch.setattr(module, "SPAN", 60)
    monkeypatch.setattr(module, "GIVES_WAY", 0.01)
    await accepted(station, module.BRISK)
    await all_done(station)
    station.table.gate = asyncio.Event()
    await accepted(station, 4, "F")
    while len(station.table.seen) < module.BRISK + 4:
        await asyncio.sleep(0.01)
    station.table.gate.set()
