"""How the Subscriptions of a server fare, for whoever runs it: metrics and health."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from fhir_server.core.errors import FhirError
from fhir_server.core.ports import Clock
from fhir_server.subscriptions.service import Subscriptions
from fhir_server.subscriptions.store.port import State, SubscriptionStore

BEHIND = 60.0  # seconds that an event may wait without a warning


class Watching:
    """Of the Subscriptions that a service knows."""

    def __init__(self, store: SubscriptionStore, service: Subscriptions, clock: Clock) -> None:
        self._store = store
        self._service = service
        self._clock = clock

    async def _statuses(self) -> Mapping[str, str]:
        with suppress(FhirError):  # as they were known last
            await self._service.refresh()
        return self._service.statuses

    async def _states(self, statuses: Mapping[str, str]) -> list[State]:
        """Of those that are served, or were until they failed; what is off waits for nothing."""
        return [each for each in await self._store.states() if statuses.get(each.id, "off") != "off"]

    def _oldest(self, state: State) -> float:
        """Seconds that the first event waits that was not delivered."""
        waiting = [event.moment for event in state.events if event.number > state.delivered]
        return max(0.0, (self._clock() - min(waiting)) / 1_000_000) if waiting else 0.0

    async def metrics(self) -> list[Any]:
        """Metric families of prometheus_client; none where there are no Subscriptions."""
        from prometheus_client.core import GaugeMetricFamily

        statuses = await self._statuses()
        if not statuses:
            return []
        counted = GaugeMetricFamily("hms_subscriptions", "Subscriptions.", labels=["status"])
        for status, count in sorted(Counter(statuses.values()).items()):
            counted.add_metric([status], count)
        told = {
            "hms_subscription_events": ("Events since it began.", lambda s: float(s.number)),
            "hms_subscription_waiting": ("Events that are not delivered yet.", lambda s: float(s.number - s.delivered)),
            "hms_subscription_lag_seconds": ("Age of the first of them.", self._oldest),
            "hms_subscription_failures": ("Tries in a row that failed.", lambda s: float(s.failures)),
            "hms_subscription_position": ("Position in the feed.", lambda s: float(s.position)),
        }
        states = await self._states(statuses)
        families = [counted]
        for name, (text, value) in told.items():
            family = GaugeMetricFamily(name, text, labels=["id"])
            for state in states:
                family.add_metric([state.id], value(state))
            families.append(family)
        return families

    async def health(self) -> dict[str, Any] | None:
        """What /health/ready says of them: never more than a warning; None where there are none."""
        statuses = await self._statuses()
        if not statuses:
            return None
        states = await self._states(statuses)
        failing = {each.id for each in states if each.failures}
        failing |= {id for id, status in statuses.items() if status == "error"}
        lag = max(map(self._oldest, states), default=0.0)
        return {
            "status": "warn" if failing or lag > BEHIND else "pass",
            "served": sum(status in ("requested", "active") for status in statuses.values()),
            "failing": sorted(failing),
            "waiting": sum(each.number - each.delivered for each in states),
            "seconds": round(lag, 1),
        }
