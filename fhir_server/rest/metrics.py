"""/metrics for Prometheus: requests by interaction, what is stored, and this process (https://prometheus.io/docs/)."""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any, TypeVar

from fhir_server import definitions
from fhir_server.api import FhirServer
from fhir_server.core.errors import FhirError
from fhir_server.core.ports import IndexState
from fhir_server.interactions.capabilities import VERSION
from fhir_server.rest.encode import Answer
from fhir_server.rest.mounting import Mounted
from fhir_server.rest.request_times import BOUNDS, FOLDER_VARIABLE, RequestTimes, Times

T = TypeVar("T")

PATIENCE = 5.0  # seconds for a store to answer: Prometheus waits ten for all


@functools.cache
def request_times() -> RequestTimes:
    """This process's numbers; every server in it counts there."""
    folder = os.environ.get(FOLDER_VARIABLE)
    return RequestTimes(definitions.load().resource_types, Path(folder) if folder else None)


async def metrics(server: FhirServer, mounted: Sequence[Mounted] = ()) -> Answer:
    """All metrics in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

    counts, newest, index = await asyncio.gather(
        _asked(server.environment.index.counts),
        _asked(server.environment.feed.newest),
        _asked(server.environment.index_state),
    )
    families = [family for each in mounted for family in await each.metrics()]
    families += _index(index) if index is not None else ()
    families += _alerts(server)
    registry = CollectorRegistry()
    registry.register(_Collector([*_requests(request_times()), *_store(server, counts or {}, newest), *families]))
    if server.settings.workers <= 1:
        ProcessCollector(registry=registry)
    return Answer(200, [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")], generate_latest(registry))


async def _asked(about: Callable[[], Awaitable[T]] | None) -> T | None:
    """None of a store or an index that is away, or slow: everything else is told all the same."""
    if about is None:
        return None
    try:
        return await asyncio.wait_for(about(), PATIENCE)
    except (FhirError, TimeoutError):
        return None


class _Collector:
    """Hands over families that are made already."""

    def __init__(self, families: list[Any]) -> None:
        self._families = families

    def collect(self) -> Iterator[Any]:
        return iter(self._families)


def _requests(kept: RequestTimes) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily

    total = CounterMetricFamily("hms_requests", "Requests answered.", labels=["interaction", "type", "status"])
    lasted = HistogramMetricFamily("hms_request_seconds", "How long requests took.", labels=["interaction"])
    by_interaction: dict[str, Times] = {}
    for label, times in sorted(kept.all().items()):
        total.add_metric([label.interaction, label.type, str(label.status)], sum(times[:-1]))
        before = by_interaction.get(label.interaction, [0.0] * len(times))
        by_interaction[label.interaction] = [a + b for a, b in zip(before, times, strict=True)]
    for interaction, times in by_interaction.items():
        bounds = [*map(str, BOUNDS), "+Inf"]
        lasted.add_metric([interaction], list(zip(bounds, accumulate(times[:-1]), strict=True)), times[-1])
    return iter((total, lasted))


def _store(server: FhirServer, counts: dict[str, int], head: int | None) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily

    yield InfoMetricFamily("hms", "What is running.", {"version": VERSION, "fhir": server.definitions.version})
    resources = GaugeMetricFamily("hms_resources", "Current resources.", labels=["type"])
    for type, count in sorted(counts.items()):
        resources.add_metric([type], count)
    yield resources
    if head is not None:
        yield GaugeMetricFamily("hms_change_position", "Position of the newest change in the feed.", head)
    size = sum(file.stat().st_size for file in server.settings.data.glob("*.sqlite*"))
    yield GaugeMetricFamily("hms_store_bytes", "Bytes of the store's files.", size)
    free = shutil.disk_usage(server.settings.data).free
    yield GaugeMetricFamily("hms_disk_free_bytes", "Bytes free where the data folder is.", free)


def _alerts(server: FhirServer) -> Iterator[Any]:
    from prometheus_client.core import CounterMetricFamily

    alerts = server.environment.alerts
    if alerts is not None:
        raised = CounterMetricFamily("hms_alerts", "Alerts raised along the audit log.", labels=["rule"])
        for rule, number in alerts.raised().items():
            raised.add_metric([rule], number)
        yield raised


def _index(state: IndexState) -> Iterator[Any]:
    from prometheus_client.core import GaugeMetricFamily

    yield GaugeMetricFamily("hms_search_index_up", "Whether the search index can be asked.", float(not state.away))
    if state.away:
        return
    yield GaugeMetricFamily("hms_search_index_position", "Position in the feed that searches see.", state.position)
    yield GaugeMetricFamily("hms_search_index_lag_changes", "Changes that searches do not see yet.", state.changes)
    yield GaugeMetricFamily("hms_search_index_lag_seconds", "Age of the first of them.", state.seconds)
    yield GaugeMetricFamily("hms_search_index_problems", "Resources that are found by their ids only.", state.problems)
    if state.parts:
        told = "Position of each part of the resources that has a projector of its own."
        parts = GaugeMetricFamily("hms_search_index_part_position", told, labels=["part"])
        for number, position in enumerate(state.parts, 1):
            parts.add_metric([f"{number} of {len(state.parts)}"], position)
        yield parts
