"""websocket: whoever is bound hears that something matched; nothing of it is told (channels/sockets.py).

Whichever process has the socket sees what is kept of the Subscription, so that telling is keeping that it happened.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhir_server.subscriptions.channels.channel import Turn
from fhir_server.subscriptions.store.port import Event

HOUR = 3600.0


class WebSocketChannel:
    """A `Channel`."""

    async def begin(self, turn: Turn) -> None:
        """Nothing: clients bind when they like."""

    async def tell(self, turn: Turn, waiting: Sequence[Event]) -> int:
        """All of them are told with what is kept."""
        return waiting[-1].number

    async def rest(self, turn: Turn, now: int) -> float:
        """Until something happens."""
        return HOUR
