"""How far a consumer is behind the feed."""

from __future__ import annotations

from typing import NamedTuple

from fhir_server.core.ports import ChangeFeed, Clock


class Lag(NamedTuple):
    """position: where it has got to; changes: how many positions are left; seconds: how old the first of them is."""

    position: int
    changes: int
    seconds: float


async def lag(feed: ChangeFeed, consumer: str, clock: Clock) -> Lag:
    """Of a consumer now."""
    position, head = await feed.position(consumer), await feed.newest()  # without waiting for long commits
    if position >= head:
        return Lag(position, 0, 0.0)
    waiting = await feed.changes(position, 1)
    seconds = max(0.0, (clock() - waiting[0].updated) / 1e6) if waiting else 0.0
    return Lag(position, head - position, seconds)
