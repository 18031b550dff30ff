"""rest-hook of the Subscriptions R5 Backport: Bundles by POST, after a handshake, with heartbeats between them.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/channels.html#rest-hook-1
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.subscriptions.auditing import Disclosures
from fhir_server.subscriptions.channels.channel import Turn
from fhir_server.subscriptions.channels.requests import Requests, Sent
from fhir_server.subscriptions.channels.rest_hook import HOUR
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

TOGETHER = 20  # events of one notification where the Subscription does not say how many
SECOND = 1_000_000


class TopicHook:
    """A `Channel`; seconds: that an endpoint may take where the Subscription does not say."""

    def __init__(self, requests: Requests, disclosures: Disclosures, seconds: float) -> None:
        self._requests = requests
        self._disclosures = disclosures
        self._seconds = seconds

    async def begin(self, turn: Turn) -> None:
        """Sends the handshake."""
        now = turn.seen.clock()
        await self._send(turn, notification(turn, HANDSHAKE, now))
        turn.state.heard = now

    async def tell(self, turn: Turn, waiting: Sequence[Event]) -> int:
        """Sends the first events, as many as go together."""
        events = waiting[: turn.asked.max_count or TOGETHER]
        told = await told_of(turn.seen, turn.asked.topic, turn.asked.content, events)
        await self._send(turn, notification(turn, EVENT, turn.seen.clock(), told))
        return events[-1].number

    async def rest(self, turn: Turn, now: int) -> float:
        """Sends a heartbeat where it is due."""
        if not turn.asked.heartbeat:
            return HOUR
        left = turn.state.heard / SECOND + turn.asked.heartbeat - now / SECOND
        if left > 0:
            return left
        await self._send(turn, notification(turn, HEARTBEAT, now))
        turn.state.heard = now
        return float(turn.asked.heartbeat)

    async def _send(self, turn: Turn, made: Notification) -> None:
        await self._disclosures.note(turn, made.shown)
        headers = (*turn.asked.headers, ("Content-Type", turn.asked.payload))
        body = written(turn.seen, turn, made.bundle)
        await self._requests.send(Sent("POST", turn.asked.endpoint, headers, body), turn.asked.timeout or self._seconds)
