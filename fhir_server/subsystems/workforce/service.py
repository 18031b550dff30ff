"""The workforce subsystem: it keeps its facts up with the feed, and works out what follows from them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

from fhir_server.client import FhirClient
from fhir_server.subsystems.store import SubsystemStore
from fhir_server.subsystems.subsystem import ERASED, Portion
from fhir_server.subsystems.workforce import conflicts, items, qualifications, training
from fhir_server.subsystems.workforce.facts import ACTIVE, KEPT, LAYOUT, ORDERS, SCHEMA, Facts
from fhir_server.subsystems.workforce.models import Training
from fhir_server.subsystems.workforce.pay import PayRules, pay_rules
from fhir_server.subsystems.workforce.rota.problem import Rules
from fhir_server.subsystems.workforce.rotas import Rotas

STIRRING = frozenset((*KEPT, *ORDERS))  # what its work may follow from, beside the time
LOOK = 60_000_000  # microseconds after which the time alone is a reason to look


class Workforce:
    """On a file; zone: of the hospital's own time; pay: the shipped rules without."""

    name = "workforce"
    types = (*KEPT, *ACTIVE)
    pause = 0.5

    def __init__(
        self,
        file: Path,
        zone: ZoneInfo,
        rules: Rules = Rules(),  # noqa: B008  it is immutable
        pay: PayRules | None = None,
        trainings: Sequence[Training] = (),
    ) -> None:
        self._store = SubsystemStore(file, SCHEMA, LAYOUT)
        self.zone = zone
        self.pay = pay or pay_rules()
        self.facts = Facts(self._store, zone, trainings)
        self.rotas = Rotas(self.facts, zone, rules)
        self.desk = asyncio.Lock()  # held while a person decides, so that two do not decide the same
        self._stirred, self._worked = True, 0

    def position(self) -> int:
        """How far in the feed its tables are."""
        return self._store.position()

    def take(self, portion: Portion) -> None:
        """Takes changes in."""
        with self._store.writing(portion.position) as connection:
            self._stirred = self._stirred or any(change.type in STIRRING for change in portion.changes)
            for change in portion.changes:
                self.facts.keep(connection, change)
        if any(change.method == ERASED for change in portion.changes):
            self._store.forget()

    async def work(self, client: FhirClient, now: int) -> None:
        """Proposes rotas whose facts have changed, follows up qualifications, training and rules that collide, and
        tells which shifts are covered."""
        if not self._stirred and now - self._worked < LOOK:
            return
        self._stirred, self._worked = False, now
        await asyncio.to_thread(self.rotas.propose)
        wanted = (
            *qualifications.tasks(self.facts, now),
            *training.tasks(self.facts, now),
            *conflicts.tasks(self.facts, self.rotas, self.zone),
        )
        await items.follow_up(self.facts, client, wanted, now)
        await qualifications.label(self.facts, client, now)
        await self.rotas.tell(client, now)

    def drop(self) -> None:
        """Removes its tables."""
        self._store.drop()
        self._stirred = True

    def close(self) -> None:
        """Closes its file."""
        self._store.close()
