"""Rules over events of the audit log."""

from pathlib import Path
from typing import Any

import pytest

from fhir_server.core.errors import FhirError
from fhir_server.security.audit.alerts import MINUTE, AlertRule, Watch, load
from fhir_server.security.audit.event import Event


def event(minute: float = 0, **changed: Any) -> Event:
    given = {"kind": "rest", "interaction": "read", "action": "R", "outcome": "0", "status": 200, "user": "u",
             "address": "10.0.0.1"}  # fmt: skip
    return Event(recorded=int(minute * MINUTE), **{**given, **changed})


def raised(watch: Watch, *events: Event) -> list[tuple[str, str, int]]:
    return [(alert.rule, alert.subject, alert.count) for each in events for alert in watch.take(each)]


def test_many_refusals_within_a_window_raise_one_alert() -> None:
    rule = AlertRule(name="r", outcome="4", per="agent-address", count=3, minutes=10)
    assert raised(Watch((rule,)), *(event(n, outcome="4") for n in range(5))) == [("r", "u@10.0.0.1", 3)]
    assert raised(Watch((rule,)), *(event(n * 6, outcome="4") for n in range(5))) == []
    assert raised(Watch((rule,)), *(event(n, outcome="4", address=f"10.0.0.{n}") for n in range(5))) == []
    assert raised(Watch((rule,)), *(event(n) for n in range(5))) == []


def test_an_alert_comes_again_after_its_window() -> None:
    rule = AlertRule(name="r", outcome="4", count=2, minutes=10)
    assert len(raised(Watch((rule,)), *(event(n, outcome="4") for n in range(25)))) == 3


def test_mass_reading_counts_patients_and_not_requests() -> None:
    rule = AlertRule(name="m", distinct="patients", count=3, minutes=60)
    assert raised(Watch((rule,)), *(event(n, patients=("a", "b")) for n in range(9))) == []
    assert raised(Watch((rule,)), event(0, patients=("a", "b")), event(1, patients=("c",))) == [("m", "u", 3)]


def test_a_patient_counts_from_when_their_data_was_last_given() -> None:
    rule = AlertRule(name="m", distinct="patients", count=3, minutes=10)
    seen = [event(0, patients=("a",)), event(5, patients=("b",)), event(12, patients=("c",))]
    assert raised(Watch((rule,)), *seen) == []
    assert raised(Watch((rule,)), *seen[:2], event(9, patients=("a",)), seen[2]) == [("m", "u", 3)]


def test_a_sign_in_from_a_new_network_and_not_the_first() -> None:
    watch = Watch((AlertRule(name="p", kind="login", outcome="0", known=True),))
    logins = [event(n, kind="login", address=f"10.0.{n // 2}.{n}") for n in range(4)]
    assert raised(watch, *logins) == [("p", "u", 1)]


def test_the_rules_that_come_with_the_server_can_be_used() -> None:
    assert [rule.name for rule in load()] == ["many-refusals", "mass-reading", "break-glass", "new-place"]


def test_rules_that_can_not_be_understood_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "rules.toml"
    file.write_text('[[rule]]\nname = "x"\nper = "planet"')
    with pytest.raises(FhirError, match="planet"):
        load(str(file))
