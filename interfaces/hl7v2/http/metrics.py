"""What /metrics says of the interface: rates by sender, states, lag, the oldest that wait, destinations.

Senders are those that the interfaces file names; what a message says of itself makes no labels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from interfaces.hl7v2.interface import Hl7Interface
from interfaces.hl7v2.messages.message import OPEN, WAITING


async def families(interface: Hl7Interface) -> Iterable[Any]:
    """Metric families of prometheus_client."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    now = interface.clock()
    events = CounterMetricFamily(
        "hms_hl7_events",
        "Messages that came (new, duplicate, other: a used MSH-10) and states that they came to.",
        labels=["sender", "event"],
    )
    counts: Counter[tuple[str, str]] = Counter()
    for each in await interface.store.counters():
        counts[interface.interfaces.named(each.sender), each.what] += each.count
    for labels, count in counts.items():
        events.add_metric(labels, count)
    states = GaugeMetricFamily("hms_hl7_messages", "Messages in the store.", labels=["sender", "state"])
    ages = GaugeMetricFamily(
        "hms_hl7_oldest_seconds", "Age of the oldest message that is not settled.", labels=["sender", "state"]
    )
    stored: Counter[tuple[str, str]] = Counter()
    oldest: dict[tuple[str, str], int] = {}
    for tally in await interface.store.tallies():
        key = interface.interfaces.named(tally.sender), tally.state
        stored[key] += tally.count
        oldest[key] = min(oldest.get(key, now), tally.oldest)
    for key, count in stored.items():
        states.add_metric(key, count)
        if key[1] in (*OPEN, WAITING):
            ages.add_metric(key, (now - oldest[key]) / 1e6)
    connections = GaugeMetricFamily("hms_hl7_connections", "Open MLLP connections.", labels=["listener"])
    for name, count in (await interface.connections()).items():
        connections.add_metric([name], count)
    letters = GaugeMetricFamily("hms_hl7_letters", "Messages to destinations.", labels=["destination", "state"])
    waiting = GaugeMetricFamily(
        "hms_hl7_oldest_letter_seconds",
        "Age of the oldest message that a destination has not got.",
        labels=["destination"],
    )
    circuits = GaugeMetricFamily("hms_hl7_circuit_open", "1 while a destination is away.", labels=["destination"])
    for each in await interface.destinations.status():
        for state, count in each["letters"].items():
            letters.add_metric([each["name"], state], count)
        if each["oldest"]:
            waiting.add_metric([each["name"]], max(0.0, (now - each["oldest"]) / 1e6))
        circuits.add_metric([each["name"]], float(each["circuit"] == "open"))
    return [events, states, ages, connections, letters, waiting, circuits]
