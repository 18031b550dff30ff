"""websocket: whoever is bound hears of it (binding.py), in whichever process the socket is.

What is told is what is kept, so that telling is keeping that something happened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fhir_server.subscriptions.channels.channel import HOUR, Turn
from fhir_server.subscriptions.store.port import Event

AT_ONCE = 50  # events after which sockets get the time to hear of them: so many more are kept
PAUSE = 0.5  # seconds


class WebSocketChannel:
    """A `Channel`."""

    async def begin(self, turn: Turn) -> None:
        """Nothing: clients bind when they like."""

    async def tell(self, turn: Turn, waiting: Sequence[Event]) -> int:
        """Some of them are told with what is kept."""
        if len(waiting) > AT_ONCE:
            await asyncio.sleep(PAUSE)
        return waiting[:AT_ONCE][-1].number

    async def rest(self, turn: Turn, now: int) -> float:
        """Until something happens."""
        return HOUR
