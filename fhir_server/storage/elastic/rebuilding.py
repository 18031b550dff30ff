"""A whole new index from the store, beside live traffic; one at a time, by a lease in the store."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from fhir_server.core.errors import error
from fhir_server.core.ports import ChangeFeed
from fhir_server.storage.elastic.generations import LOOK_EVERY, Generations

LOOK = 0.05  # seconds between looks at how far the new generation is
GRACE = 3 * LOOK_EVERY  # seconds after which no process asks a generation any more that doesn't serve
LEASE = 30.0  # seconds after which a rebuild that gave no sign of life counts as ended


async def rebuild(
    generations: Generations,
    feed: ChangeFeed,
    progress: Callable[[int, int], None] = lambda done, of: None,
    lease: float = LEASE,
) -> int:
    """Makes a generation, waits until projectors have filled it, lets searches ask it and removes those before.

    Searches are answered all the time, by one or the other. progress(position, head). Returns the position at which
    they were swapped. Cancelled or killed before that, it leaves the new generation behind, which the next one removes.
    FhirError "conflict" that names who builds where another does.
    """
    async with _alone(feed, f"rebuild:{generations.alias}", lease) as go_on:
        for left in await generations.look():
            if not left.serving and await generations.serving() is not None:
                await generations.remove(left)
        fresh = await generations.add()
        while True:
            await go_on()
            position, head = await feed.position(fresh.consumer), await feed.head()
            progress(position, head)
            if position >= head:
                break
            await asyncio.sleep(LOOK)
        await generations.show(fresh.consumer)
        before = await generations.swap(fresh)
        await asyncio.sleep(GRACE)
        for generation in before:
            await generations.remove(generation)
        return position


@asynccontextmanager
async def _alone(feed: ChangeFeed, name: str, seconds: float) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Has the work of this name to itself; what it gives must be called now and then, which renews the lease."""
    owner = f"process {os.getpid()} on {socket.gethostname()}, {os.urandom(6).hex()}"
    taken = float("-inf")

    async def go_on() -> None:
        nonlocal taken
        if time.monotonic() - taken < seconds / 3:
            return
        if not await feed.lease(name, owner, seconds):
            holder = (await feed.holder(name)).rpartition(", ")[0] or "another process"
            raise error(
                "conflict",
                f"A new index is being built already, by {holder}. Wait until that has ended; if it was killed, run "
                f"this again in {seconds:.0f} seconds.",
            )
        taken = time.monotonic()

    await go_on()
    try:
        yield go_on
    finally:
        await feed.lease(name, owner, 0)
