"""Alerts are raised along the audit log: one worker looks, the others take over when it ends.

What is raised is kept (alerts.sqlite), told in the log and in the metrics, and stored as a Communication. The log and
the metrics have ids of users, clients and addresses only.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import uuid
from pathlib import Path
from typing import Any

import structlog

from fhir_server.core.errors import FhirError, error
from fhir_server.core.keys import instant
from fhir_server.core.ports import Transaction
from fhir_server.core.tasks import end
from fhir_server.core.write_ahead import use_write_ahead_log
from fhir_server.interactions.environment import Environment
from fhir_server.interactions.preparing import prepare, store
from fhir_server.security.audit.alerts import Alert, AlertRule, Watch
from fhir_server.security.audit.log import AuditLog

FILE_NAME = "alerts.sqlite"
LOOK_EVERY = 1.0  # seconds
LEASE = 10_000_000  # microseconds that a worker looks alone without asking again
TABLES = """
CREATE TABLE IF NOT EXISTS alert (rule TEXT NOT NULL, subject TEXT NOT NULL, moment INTEGER NOT NULL,
    count INTEGER NOT NULL, PRIMARY KEY (rule, subject, moment)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS known (agent TEXT, network TEXT, PRIMARY KEY (agent, network)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS looking (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER NOT NULL,
    owner TEXT NOT NULL, until INTEGER NOT NULL);
INSERT OR IGNORE INTO looking VALUES (1, 0, '', 0);
"""

log = structlog.get_logger("alerts")


class Alerting:
    """Over one audit log."""

    types = ()

    def __init__(self, environment: Environment, audit: AuditLog, folder: Path, rules: tuple[AlertRule, ...]) -> None:
        self._environment = environment
        self._audit = audit
        self._rules = rules
        self._owner = uuid.uuid4().hex
        self._task: asyncio.Task | None = None
        self._watch: Watch | None = None
        self._position = 0
        self._turn = threading.Lock()  # one thread at a time uses the connection
        self._ended = False
        try:
            self._connection = sqlite3.connect(
                folder / FILE_NAME, isolation_level=None, timeout=10, check_same_thread=False
            )
            use_write_ahead_log(self._connection)
            self._connection.executescript(TABLES)
        except sqlite3.Error as problem:
            raise error("unavailable", f"{folder / FILE_NAME} can't be used: {problem}.") from problem

    async def start(self) -> None:
        """Goes on looking."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Ends the looking, once a look that is under way in its thread is over."""
        await end(self._task)
        with self._turn:
            self._ended = True
            self._connection.close()

    async def refresh(self) -> None:
        """Nothing: what it follows is the audit log."""

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look()
            except (FhirError, sqlite3.Error) as problem:
                log.warning("alerts wait", problem=str(problem))

    async def look(self) -> list[Alert]:
        """Takes in what is new in the log, if this worker is the one that looks; what was raised."""
        raised = await asyncio.to_thread(self._look)
        for alert in raised:
            log.warning("alert", rule=alert.rule, subject=alert.subject, count=alert.count)
            await self._tell(alert)
        return raised

    def _look(self) -> list[Alert]:
        with self._turn:
            return [] if self._ended else self._looked()

    def _looked(self) -> list[Alert]:
        now = self._environment.clock()
        execute = self._connection.execute
        taken = execute(
            "UPDATE looking SET owner = ?, until = ? WHERE owner = ? OR until < ? RETURNING position",
            (self._owner, now + LEASE, self._owner, now),
        ).fetchone()
        if taken is None:
            self._watch = None
            return []
        if self._watch is None:
            self._watch, self._position = self._begun(taken[0])
        before = len(self._watch.known)
        raised: list[Alert] = []
        for number, event in self._audit.oldest_first(self._position):
            raised += self._watch.take(event)
            self._position = number
        execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT OR IGNORE INTO alert VALUES (?, ?, ?, ?)", raised)
        if len(self._watch.known) > before:
            self._connection.executemany("INSERT OR IGNORE INTO known VALUES (?, ?)", self._watch.known)
        execute("UPDATE looking SET position = ? WHERE owner = ?", (self._position, self._owner))
        execute("COMMIT")
        return raised

    def _begun(self, position: int) -> tuple[Watch, int]:
        """The windows as they are at a position: of events that were looked at before, without raising anything."""
        known = set(self._connection.execute("SELECT agent, network FROM known"))
        watch = Watch(self._rules, known)
        since = self._environment.clock() - watch.span
        for _, event in reversed(list(self._audit.newest_first(position + 1, since=since))):
            for _ in watch.take(event):
                pass
        return watch, position

    def raised(self) -> dict[str, int]:
        """How many alerts there were of each rule."""
        with self._turn:
            found = dict(self._connection.execute("SELECT rule, count(*) FROM alert GROUP BY rule").fetchall())
        return {rule.name: found.get(rule.name, 0) for rule in self._rules}

    async def _tell(self, alert: Alert) -> None:
        environment = self._environment
        prepared = prepare(environment, as_resource(alert))

        async def work(transaction: Transaction) -> None:
            await store(transaction, prepared, "Communication", environment.new_id(), 1, "POST")

        await environment.store.commit(work)


def as_resource(alert: Alert) -> dict[str, Any]:
    """The Communication that tells of an alert."""
    return {
        "resourceType": "Communication",
        "status": "completed",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/communication-category", "code": "alert"}]}
        ],
        "priority": "urgent",
        "topic": {"coding": [{"system": "urn:hms:alert", "code": alert.rule}], "text": alert.rule},
        "sent": instant(alert.moment),
        "payload": [{"contentString": f"{alert.rule}: {alert.subject}, {alert.count}"}],
    }
