"""Ending background tasks."""

from __future__ import annotations

import asyncio

PATIENCE = 1.0  # seconds before a task that has not ended is cancelled again


async def end(task: asyncio.Task | None) -> None:
    """Cancels a task until it has ended.

    Once is not always enough: before Python 3.12 asyncio.wait_for loses a cancellation that meets its result, and so
    may drivers.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait((task,), timeout=PATIENCE)
