"""The change feed page by page, for what keeps in mind the resources of a few types."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection

from fhir_server.core.ports import Change, ChangeFeed

PAGE = 1000  # changes looked at together


async def feed_pages(feed: ChangeFeed, types: Collection[str], after: int) -> AsyncIterator[tuple[list[Change], int]]:
    """The changes of these types past a position, oldest first, each page with the position to go on from."""
    while True:
        changes, position = await feed.changes_of(types, after, PAGE)
        if position == after:
            return
        yield changes, position
        after = position
        await asyncio.sleep(0)  # others get their turn between pages
