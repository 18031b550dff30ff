"""Alerts are raised along the audit log: one worker looks, the others take over when it ends.

What is raised is kept, told in the log and in the metrics, and stored as a Communication, after a crash too. The log
and the metrics have ids of users, clients and addresses only.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import uuid
from typing import Any

import structlog

from fhir_server.core.errors import FhirError
from fhir_server.core.keys import instant
from fhir_server.core.ports import Transaction
from fhir_server.core.repeats import Repeats
from fhir_server.core.tasks import end
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import prepare, store
from fhir_server.security.audit.alerts import Alert, AlertRule, Watch
from fhir_server.security.audit.lookout import Lookout

LOOK_EVERY = 1.0  # seconds
TYPE = "Communication"

log = structlog.get_logger("alerts")


class Alerting:
    """Over the log that a lookout sees."""

    types = ()

    def __init__(self, environment: Environment, lookout: Lookout, rules: tuple[AlertRule, ...]) -> None:
        self._environment = environment
        self._lookout = lookout
        self._rules = rules
        self._owner = uuid.uuid4().hex
        self._task: asyncio.Task | None = None
        self._told_already = Repeats()

    async def start(self) -> None:
        """Goes on looking."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends the looking, once a look that is under way in its thread is over."""
        await end(self._task)
        await asyncio.to_thread(self._lookout.close)

    async def refresh(self) -> None:
        """Nothing: what it follows is the audit log."""

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except (FhirError, sqlite3.Error) as problem:
                if times := self._told_already.due(str(problem)):
                    log.warning("alerts wait", problem=str(problem), times=times)

    async def look(self) -> list[Alert]:
        """Takes in what is new in the log, if this worker is the one that looks; what was raised."""
        raised = await asyncio.to_thread(self._lookout.look, self._owner, lambda known: Watch(self._rules, known))
        for alert in raised:
            log.warning("alert", rule=alert.rule, subject=alert.subject, count=alert.count)
        for alert in await asyncio.to_thread(self._lookout.untold, self._owner):
            await self._tell(alert)
            await asyncio.to_thread(self._lookout.told, alert)
        return raised

    def raised(self) -> dict[str, int]:
        """How many alerts there were of each rule."""
        found = self._lookout.raised()
        return {rule.name: found.get(rule.name, 0) for rule in self._rules}

    async def _tell(self, alert: Alert) -> None:
        """Stores it, once: a process that ended before it could say so is followed by another that tries again."""
        id = id_of(alert)
        prepared = prepare(self._environment, as_resource(alert))

        async def work(transaction: Transaction) -> None:
            if await transaction.read(TYPE, id) is None:
                await store(transaction, prepared, TYPE, id, 1, "POST")

        await self._environment.store.commit(work)


def id_of(alert: Alert) -> str:
    """The id of the Communication that tells of an alert."""
    return "alert-" + hashlib.sha256("\0".join(map(str, alert[:3])).encode()).hexdigest()[:32]


def as_resource(alert: Alert) -> dict[str, Any]:
    """The Communication that tells of an alert."""
    return {
        "resourceType": TYPE,
        "status": "completed",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": "alert"}]}
        ],
        "priority": "urgent",
        "topic": {"coding": [{"system": "urn:hms:alert", "code": alert.rule}], "text": alert.rule},
        "sent": instant(alert.moment),
        "payload": [{"contentString": f"{alert.rule}: {alert.subject}, {alert.count}"}],
    }
