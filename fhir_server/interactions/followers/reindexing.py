"""Index values made anew from stored resources, along the change feed: resumable, beside live traffic."""

from __future__ import annotations

from collections.abc import Callable, Collection

from fhir_server.codec.json import decode
from fhir_server.core.ports import Transaction
from fhir_server.interactions.environment import Environment

PAGE = 200  # changes in one commit


async def reindex_page(environment: Environment, after: int, types: Collection[str] | None = None) -> int:
    """Indexes the resources whose newest version is among the next changes; returns the position reached.

    types: only these, None for all. The position is `after` again where the feed has nothing more.
    """
    changes = await environment.feed.changes(after, PAGE)
    if not changes:
        return after
    keys = [
        (c.type, c.id) for c in changes if c.method not in ("DELETE", "ERASE") and (types is None or c.type in types)
    ]

    async def work(transaction: Transaction) -> None:
        searching = await environment.searching_in(transaction)
        await transaction.prefetch(keys)
        for type, id in dict.fromkeys(keys):
            head = await transaction.read(type, id)
            if head is not None and not head.deleted and after < head.seq <= changes[-1].seq:
                await transaction.reindex(type, id, searching.extract(decode(head.body)))

    if keys:
        await environment.store.commit(work)
    return changes[-1].seq


async def reindex_all(environment: Environment, progress: Callable[[int, int], None] = lambda done, of: None) -> int:
    """Indexes everything from the feed's start; progress(position, head) is told as it goes. Returns the position."""
    head = await environment.feed.head()
    position = 0
    while position < head:
        reached = await reindex_page(environment, position)
        if reached == position:
            break
        position = reached
        progress(position, head)
    return position
