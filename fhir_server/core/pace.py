"""Long work on an event loop that others use too."""

from __future__ import annotations

import asyncio
import time

SLICE = 0.003  # seconds


class Pace:
    """Called between the steps of a work, it lets others have their turn once SLICE is over."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    async def __call__(self) -> None:
        """Waits where others have waited long enough."""
        if time.monotonic() - self._began > SLICE:
            await asyncio.sleep(0)
            self._began = time.monotonic()
