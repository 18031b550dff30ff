"""The audit logs of several machines in one MongoDB."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.core.errors import FhirError
from fhir_server.security.audit import Event
from fhir_server.security.audit.shared import SharedAuditLog
from tests.conftest import HeldClock, running
from tests.distributed.machines import ONE, OTHER, Machines
from tests.engines import DISTRIBUTED, settings_on


def event(moment: int) -> Event:
    return Event(recorded=moment, kind="rest", interaction="read", action="R", outcome="0", status=200,
                 user=f"u{moment}", patients=(f"p{moment % 3}",))  # fmt: skip


@pytest.mark.anyio
async def test_what_mongodb_acknowledged_is_there_when_its_machine_is_lost_at_once(machines: Machines):
    one, other = machines.open(ONE, acknowledged=True), machines.open(OTHER)
    await asyncio.gather(*(one.record(event(moment)) for moment in range(20)))
    await one.record(event(20))
    assert sum(row["count"] for row in machines.rows.find({"machine": ONE})) == 21
    assert moments(other) == list(range(20, -1, -1)), "without asking the machine that has them"
    assert other.verify().problem == ""


def moments(log: SharedAuditLog, after: str = "", **wanted: Any) -> list[int]:
    return [event.recorded for _, event in log.page(after, **wanted)]


def test_every_machine_finds_the_events_of_all_newest_first(machines: Machines):
    one, other = machines.open(ONE), machines.open(OTHER)
    for moment in range(0, 600, 2):
        one.own.append([event(moment)])
    other.own.append([event(moment) for moment in range(1, 600, 2)])
    other.copy()
    assert moments(one) == list(range(599, -1, -1))
    assert moments(one, subject="patient:p1") == list(range(598, -1, -3))
    places = [place for place, _ in one.page("")]
    for at in (0, 255, 256, 599):
        assert moments(one, places[at]) == list(range(598 - at, -1, -1))
        found = one.at(places[at])
        assert found is not None and found.recorded == 599 - at
    assert (one.at(f"{ONE}-9999"), one.at("nonsense")) == (None, None)


def test_what_another_process_of_the_machine_has_copied_stays_once(machines: Machines):
    one = machines.open(ONE)
    one.own.append([event(1)])
    one.copy()
    beside = machines.open(ONE)
    one.own.append([event(2)])
    beside.copy()
    one.copy()
    assert moments(one) == moments(beside) == [2, 1]
    assert one.verify()[:2] == (2, "")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda rows: rows.delete_one({"machine": OTHER, "first": 1}), "missing before events 2 to 2"),
        (lambda rows: rows.update_one({"machine": OTHER, "first": 1}, {"$set": {"hash": b"x"}}), "events 1 to 1"),
        (lambda rows: rows.delete_many({"machine": ONE}), "newest events are not in MongoDB"),
    ],
)
def test_each_chain_is_verified_and_what_was_changed_is_named(machines: Machines, damage: Any, said: str):
    one, other = machines.open(ONE), machines.open(OTHER)
    for log in (one, other):
        for moment in (1, 2):
            log.own.append([event(moment)])
            log.copy()
    assert one.verify()[:2] == (4, "")
    damage(machines.rows)
    assert said in one.verify().problem


def test_the_old_end_of_every_machine_is_pruned_and_the_rest_verified(machines: Machines):
    one, gone = machines.open(ONE), machines.open(OTHER)
    for moment in (1, 2, 3):
        for log in (one, gone):
            log.own.append([event(moment)])
            log.copy()
    assert one.prune(3) == 4
    assert moments(one) == [3, 3] and one.verify()[:2] == (2, "")
    assert one.prune(9) == 2 and one.verify()[:2] == (0, "")


def test_a_page_behind_what_was_pruned_is_empty_and_one_behind_no_place_is_refused(machines: Machines):
    one = machines.open(ONE)
    for moment in (1, 2, 3):
        one.own.append([event(moment)])
        one.copy()
    places = [place for place, _ in one.page("")]
    assert [found.recorded for _, found in one.page(places[0])] == [2, 1]
    one.prune(3)
    assert [*one.page(places[1])] == []
    with pytest.raises(FhirError, match="_cursor"):
        next(one.page("3"))


def test_the_copies_are_sealed(machines: Machines):
    one = machines.open(ONE)
    one.own.append([event(77)])
    one.copy()
    assert b"u77" not in bytes(machines.rows.find_one()["events"])


@pytest.mark.anyio
async def test_a_machine_answers_and_verifies_what_another_was_asked(tmp_path: Path):
    clock = HeldClock()
    with settings_on(DISTRIBUTED, tmp_path / "unused") as settings:
        settings = msgspec.structs.replace(settings, audit="on", data=tmp_path / "one")
        async with running(settings, clock) as one:
            await one.create({"resourceType": "Patient", "id": "p"})
            await one.get("Patient/p")
        async with running(msgspec.structs.replace(settings, data=tmp_path / "other"), clock) as other:
            found = (await other.get("AuditEvent?patient=Patient/p&_count=1")).json()
            seen = [found]
            while following := [link["url"] for link in seen[-1]["link"] if link["relation"] == "next"]:
                seen.append((await other.http.get(following[0])).json())
            events = [entry["resource"] for page in seen for entry in page.get("entry", ())]
            assert [each["action"] for each in events if each["type"]["code"] == "rest"] == ["R", "U"]
            assert (await other.get(f"AuditEvent/{events[0]['id']}")).json() == events[0]
            verdict = {each["name"]: each for each in (await other.get("$verify-audit")).json()["parameter"]}
            assert verdict["result"]["valueBoolean"] is True, json.dumps(verdict)
            assert verdict["events"]["valueInteger"] >= 2
