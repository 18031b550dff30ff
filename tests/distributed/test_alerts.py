"""Alerts over the events of several machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.core.settings import Settings
from fhir_server.security.audit.alerts import MINUTE, Alert, AlertRule, Watch
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.lookout import Lookout
from tests.conftest import HeldClock, running
from tests.distributed.machines import ONE, OTHER, Machines
from tests.engines import DISTRIBUTED, settings_on

RULES = (
    AlertRule(name="refusals", outcome="4", per="agent", count=6, minutes=10),
    AlertRule(name="new-place", kind="login", outcome="0", known=True),
)


def event(moment: float, **changed: Any) -> Event:
    given = {"kind": "rest", "interaction": "read", "action": "R", "outcome": "4", "status": 403, "user": "u",
             "address": "10.0.0.1"}  # fmt: skip
    return Event(recorded=HeldClock()() + int(moment * MINUTE), **{**given, **changed})


class Looking:
    """One process of one machine."""

    def __init__(self, machines: Machines, machine: str, clock: HeldClock, folder: str = "") -> None:
        self.log = machines.open(machine, folder)
        self.lookout: Lookout = self.log.lookout(clock)
        self._owner = f"{machine}{folder}"

    def happens(self, *events: Event) -> None:
        self.log.own.append(events)
        self.log.copy()

    def look(self) -> list[Alert]:
        return self.lookout.look(self._owner, lambda known: Watch(RULES, known))


def brief(alerts: list[Alert]) -> list[tuple[str, str, int]]:
    return [(alert.rule, alert.subject, alert.count) for alert in alerts]


def test_what_is_spread_over_machines_raises_one_alert(machines: Machines):
    clock = HeldClock()
    one, other = Looking(machines, ONE, clock), Looking(machines, OTHER, clock)
    assert one.look() == []
    one.happens(*(event(n / 10) for n in range(3)))
    other.happens(*(event(n / 10 + 0.05) for n in range(3)))
    assert (brief(one.look()), other.look()) == ([("refusals", "u", 6)], [])
    other.happens(event(1))
    assert one.look() == [], "once until its window is over"
    other.look()
    assert (one.lookout.raised(), other.lookout.raised()) == ({"refusals": 1}, {})


def test_another_machine_takes_the_looking_over_where_it_was(machines: Machines):
    clock = HeldClock()
    one, other = Looking(machines, ONE, clock), Looking(machines, OTHER, clock)
    one.look()
    one.happens(*(event(n / 10) for n in range(4)))
    assert one.look() == []
    one.lookout.close()
    machines.looking.update_one({"_id": "looking"}, {"$set": {"until": 0}})
    other.happens(event(0.5), event(0.6))
    assert brief(other.look()) == [("refusals", "u", 6)], "the four of before count, and nothing is raised twice"
    assert other.look() == []


def test_a_place_that_one_machine_knows_all_know(machines: Machines):
    clock = HeldClock()
    one, other = Looking(machines, ONE, clock), Looking(machines, OTHER, clock)
    login = {"kind": "login", "outcome": "0"}
    one.happens(event(0, **login))
    assert one.look() == []
    other.happens(event(1, **login), event(2, address="10.9.0.1", **login))
    assert brief(one.look()) == [("new-place", "u", 1)]
    machines.looking.update_one({"_id": "looking"}, {"$set": {"until": 0}})
    one.lookout.close()
    other.happens(event(3, address="10.9.0.7", **login))
    assert other.look() == []


def test_what_was_long_before_anybody_looked_raises_nothing(machines: Machines):
    one = Looking(machines, ONE, HeldClock())
    one.happens(*(event(n / 10 - 60 * 24) for n in range(8)))
    assert one.look() == []
    one.happens(event(0))
    assert one.look() == []


@pytest.mark.anyio
async def test_refusals_at_two_machines_become_one_communication(tmp_path: Path):
    clock = HeldClock()
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname = "many"\noutcome = "4"\nper = "address"\ncount = 6\nminutes = 10\n')

    def of(settings: Settings, machine: str) -> Settings:
        return msgspec.structs.replace(settings, audit="on", alert_rules=str(rules), data=tmp_path / machine)

    with settings_on(DISTRIBUTED, tmp_path / "unused") as settings:
        async with running(of(settings, "one"), clock) as one, running(of(settings, "other"), clock) as other:
            for each in (one, other, one, other, one, other):
                assert (await each.get("Patient/never")).status_code == 404
            found = []
            for _ in range(2):
                for each in (one, other):
                    await each.get("AuditEvent?_count=1")  # has what is here copied
                    found += await each.server.environment.alerts.look()
            told = (await one.get("Communication?category=alert")).json()
            assert told["total"] == 1 and "many" in told["entry"][0]["resource"]["payload"][0]["contentString"]
