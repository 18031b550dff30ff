"""A whole new index from the store, beside live traffic."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from fhir_server.core.ports import ChangeFeed
from fhir_server.storage.elastic.generations import LOOK_EVERY, Generations

LOOK = 0.05  # seconds between looks at how far the new generation is
GRACE = 3 * LOOK_EVERY  # seconds after which no process asks a generation any more that doesn't serve


async def rebuild(
    generations: Generations, feed: ChangeFeed, progress: Callable[[int, int], None] = lambda done, of: None
) -> int:
    """Makes a generation, waits until projectors have filled it, lets searches ask it and removes those before.

    Searches are answered all the time, by one or the other. progress(position, head). Returns the position at which
    they were swapped. Cancelled or killed before that, it leaves the new generation behind, which the next one removes.
    """
    for left in await generations.look():
        if not left.serving and await generations.serving() is not None:
            await generations.remove(left)
    fresh = await generations.add()
    while True:
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
