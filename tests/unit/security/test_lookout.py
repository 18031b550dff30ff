"""What raises alerts from the log of one machine."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from fhir_server.security.audit import FILE_NAME, AuditLog
from fhir_server.security.audit.alerts import AlertRule, Watch
from fhir_server.security.audit.event import Event
from fhir_server.security.audit.lookout import FILE_NAME as ALERTS
from fhir_server.security.audit.lookout import LEASE, OwnLookout
from tests.conftest import HeldClock

RULE = AlertRule(name="refusals", outcome="4", per="agent", count=6, minutes=10)


def refusals(count: int) -> list[Event]:
    given = {"kind": "rest", "interaction": "read", "action": "R", "outcome": "4", "status": 403, "user": "u"}
    return [Event(recorded=HeldClock()() + number, **given) for number in range(count)]


def test_after_a_look_that_failed_nothing_is_lost_or_counted_twice(tmp_path: Path) -> None:
    with (
        closing(AuditLog(tmp_path / FILE_NAME, synchronous="OFF")) as audit,
        closing(OwnLookout(audit, tmp_path, HeldClock())) as lookout,
        closing(sqlite3.connect(tmp_path / ALERTS)) as beside,
    ):

        def look() -> list[int]:
            return [alert.count for alert in lookout.look("one", lambda known: Watch((RULE,), known))]

        for count, raised in ((4, []), (2, [6])):
            audit.append(refusals(count))
            beside.execute("ALTER TABLE alert RENAME TO away")
            with pytest.raises(sqlite3.Error):
                look()
            beside.execute("ALTER TABLE away RENAME TO alert")
            assert look() == raised
        assert lookout.raised() == {"refusals": 1}


def test_an_alert_is_given_again_until_it_was_told_by_whichever_process(tmp_path: Path) -> None:
    clock = HeldClock()
    with closing(AuditLog(tmp_path / FILE_NAME, synchronous="OFF")) as audit:
        audit.append(refusals(6))
        with closing(OwnLookout(audit, tmp_path, clock)) as lookout:
            (alert,) = lookout.look("one", lambda known: Watch((RULE,), known))
            assert lookout.untold("one") == [alert]
            assert lookout.untold("other") == []
        clock.now += LEASE + 1
        with closing(OwnLookout(audit, tmp_path, clock)) as lookout:
            assert lookout.look("next", lambda known: Watch((RULE,), known)) == []
            assert lookout.untold("next") == [alert]
            lookout.told(alert)
            assert lookout.untold("next") == []
