"""rest-hook of the Subscriptions R5 Backport: Bundles by POST, after a handshake, with heartbeats between them.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook-1
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.security.outgoing.requests import Sent
from fhir_server.subscriptions.channels.channel import HOUR, Turn
from fhir_server.subscriptions.channels.hook import Hook
from fhir_server.subscriptions.notification import (
    EVENT,
    HANDSHAKE,
    HEARTBEAT,
    Notification,
    notification,
    told_of,
    written,
)
from fhir_server.subscriptions.store.port import Event

SECOND = 1_000_000


class TopicHook(Hook):
    """A `Channel`."""

    async def begin(self, turn: Turn) -> None:
        """Sends the handshake."""
        now = turn.seen.clock()
        await self._tell(turn, notification(turn, HANDSHAKE, now))
        turn.state.heard = now

    async def tell(self, turn: Turn, waiting: Sequence[Event]) -> int:
        """Sends the first events, as many as go together."""
        events = waiting[: turn.asked.max_count]
        told = await told_of(turn.seen, turn.asked.topic, turn.asked.content, events)
        await self._tell(turn, notification(turn, EVENT, turn.seen.clock(), told))
        return events[-1].number

    async def rest(self, turn: Turn, now: int) -> float:
        """Sends a heartbeat where it is due."""
        if not turn.asked.heartbeat:
            return HOUR
        left = turn.state.heard / SECOND + turn.asked.heartbeat - now / SECOND
        if left > 0:
            return left
        await self._tell(turn, notification(turn, HEARTBEAT, now))
        turn.state.heard = now
        return float(turn.asked.heartbeat)

    async def _tell(self, turn: Turn, made: Notification) -> None:
        headers = (*turn.asked.headers, ("Content-Type", turn.asked.payload))
        body = written(turn.seen, turn, made.bundle)
        await self.send(turn, Sent("POST", turn.asked.endpoint, headers, body), made.shown)
